"""While a model learns or decides: as many threads as pay for it, and no folder that nobody asked for."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HumanOutputFormat

from data_select_gym.agents import ALGORITHMS, DataAgent, FrozenPolicy, learn_run, make_policy, run_policy
from data_select_gym.envs import SamplewiseVecEnv

from .small_agents import P, image_env, learned


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files, which is empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


def slots(action: str = "score") -> SamplewiseVecEnv:
    return SamplewiseVecEnv(image_env(), action=action)


# Folders


@pytest.mark.slow
def test_learning_without_tensorboard_leaves_no_folder(temporary: Path) -> None:
    agent = DataAgent(slots(), n_steps=2, device="cpu")
    agent.learn_run()
    agent.learn(2 * P)
    model = PPO("MlpPolicy", slots("keep"), n_steps=2, batch_size=P, device="cpu")
    learn_run(model)
    learned("ppo:n_steps=2")
    run_policy(make_policy("sac"), image_env(), seed=0)
    assert list(temporary.iterdir()) == []
    assert not model._custom_logger


def test_curves_and_tables_and_loggers_of_ones_own_are_as_they_were(
    temporary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = DataAgent(slots(), n_steps=2, device="cpu", tensorboard_log=str(tmp_path / "curves"))
    agent.learn_run()
    assert [path.name for path in (tmp_path / "curves").iterdir()] == ["DataAgent_1"]
    assert not capsys.readouterr().out
    talking = DataAgent(slots(), n_steps=2, device="cpu", verbose=1)
    talking.learn_run()
    assert "ep_rew_mean" in capsys.readouterr().out
    assert isinstance(talking.logger.output_formats[0], HumanOutputFormat)
    learn_run(agent, tb_log_name="again")
    assert {path.name for path in (tmp_path / "curves").iterdir()} == {"DataAgent_1", "again_1"}
    assert list(temporary.iterdir()) == []


# Threads


class Watch(BaseCallback):
    """Notes how many threads there are between steps."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def _on_step(self) -> bool:
        self.seen.add(torch.get_num_threads())
        return True


@pytest.mark.usefixtures("two_threads")
def test_a_small_network_learns_in_one_thread_and_a_large_one_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_select_gym.training.threads.PAYS_FROM", 1e6)
    for width, threads in ((32, 1), (512, 2)):
        watch = Watch()
        settings: dict[str, Any] = {"policy_kwargs": {"net_arch": [width, width // 32]}, "n_steps": 2, "n_epochs": 1}
        agent = DataAgent(slots(), n_minibatches=1, device="cpu", **settings)
        agent.learn_run(callback=watch)
        assert watch.seen == {threads}


@pytest.mark.usefixtures("two_threads")
def test_a_frozen_model_decides_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = FrozenPolicy(learned("ppo"))
    seen: list[int] = []
    predict = frozen.model.predict

    def note(*arguments: Any, **options: Any) -> Any:
        seen.append(torch.get_num_threads())
        return predict(*arguments, **options)

    monkeypatch.setattr(frozen.model, "predict", note)
    frozen.select(np.zeros((P, 8), np.float32))
    assert seen == [1]


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_learning_over_runs_gives_the_threads_back_after_errors(name: str) -> None:
    def fail(number: int, info: dict[str, Any]) -> None:
        assert torch.get_num_threads() == 1
        raise KeyError

    assert ALGORITHMS[name].across_runs == ""
    with pytest.raises(KeyError):
        learned(name, on_run=fail)
