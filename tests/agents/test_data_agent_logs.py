from pathlib import Path

import pytest
from stable_baselines3.common.logger import Logger, configure

from .data_agents import STEPS, P, Recorder, agent, counted


def test_curves_go_to_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = agent(tensorboard_log=str(tmp_path))
    model.learn_run()
    model.learn_run(tb_log_name="second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["DataAgent_1", "second_1"]
    curves = EventAccumulator(str(tmp_path / "DataAgent_1"))
    curves.Reload()
    tags = set(curves.Tags()["scalars"])
    assert {"train/loss", "train/policy_gradient_loss", "train/value_loss", "train/learning_rate"} <= tags
    assert {"train/approx_kl", "train/clip_fraction", "train/explained_variance", "time/fps"} <= tags
    assert [event.step for event in curves.Scalars("train/loss")] == [20 * P, 30 * P, 40 * P]


@pytest.mark.slow
def test_the_return_of_the_run_is_logged() -> None:
    recorder = Recorder()
    model, env, _ = counted()
    model.set_logger(Logger(folder=None, output_formats=[recorder]))
    model.learn_run(log_interval=1000)
    (row,) = recorder.rows
    assert row["rollout/ep_rew_mean"] == pytest.approx(env.episode_return)
    assert row["rollout/ep_len_mean"] == STEPS
    model.learn_run(callback=None, reset_num_timesteps=False)
    assert [episode["l"] for episode in model.ep_info_buffer] == [STEPS, STEPS]


def test_a_logger_of_ones_own_gets_the_same(tmp_path: Path) -> None:
    model = agent()
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn_run()
    model.logger.close()
    header = (tmp_path / "progress.csv").read_text().splitlines()[0].split(",")
    assert {"time/total_timesteps", "train/loss", "train/n_updates"} <= set(header)


def test_it_tells_what_it_learns_if_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    agent(verbose=0).learn_run()
    assert capsys.readouterr().out == ""
    agent(verbose=1).learn_run()
    told = capsys.readouterr().out
    assert "total_timesteps" in told
    assert "policy_gradient_loss" in told


@pytest.mark.filterwarnings("ignore::tqdm.TqdmExperimentalWarning")
def test_a_progress_bar_shows_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    agent().learn_run(progress_bar=True)
    told = "".join(capsys.readouterr())
    assert f"{STEPS * P:,}/{STEPS * P:,}" in told
