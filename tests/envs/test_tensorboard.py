from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import data_select_gym  # noqa: F401
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv
from data_select_gym.envs.tensorboard import CurvesWarning
from data_select_gym.phase_timer import PHASES

P, WARM, STEPS = 128, 10, 10
TERMS = {"difficulty", "uncertainty", "weight", "quality", "rank", "price"}
# The points of a curve: at how many pools shown, and the value.
Curve = list[tuple[int, float]]


def digits(folder: Path | str | None, **options: Any) -> DataSelectEnv:
    return DataSelectEnv(
        "digits",
        **{"epochs": 3, "pool_size": 128, "batch_size": 64, "device": "cpu", "tensorboard_log": folder} | options,
    )


def play(env: DataSelectEnv, seed: int = 0) -> list[Any]:
    trace: list[Any] = [env.reset(seed=seed)]
    while not env.run.done:
        trace.append(env.step((env.run.pool.numpy() % 2).astype(np.int8)))
    return trace


def curves(folder: Path) -> dict[str, Curve]:
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_curves_hold_what_the_steps_gave(tmp_path: Path) -> None:
    env = digits(tmp_path)
    (_, first), *steps = play(env)
    env.close()
    seen = curves(tmp_path / "run_1")
    each = ("keep_fraction", "train_loss", "reward", *(f"reward/{term}" for term in TERMS))
    evaluated = {f"eval/{name}" for name in ("val_accuracy", "val_loss", "test_accuracy", "test_loss", "cost")}
    times = {"time/seconds"} | {f"time/{part}" for part in PHASES}
    assert set(seen) == {f"step/{name}" for name in each} | {"step/cost"} | times | evaluated
    infos = [info for *_, info in steps]
    expected = {
        "keep_fraction": [info["keep_fraction"] for info in infos],
        "train_loss": [info["train_loss"] for info in infos],
        "reward": [reward for _, reward, *_ in steps],
        **{f"reward/{term}": [info["reward_terms"][term] for info in infos] for term in TERMS},
    }
    for name, values in expected.items():
        at, got = zip(*seen[f"step/{name}"], strict=True)
        assert list(at) == list(range(WARM + 1, WARM + STEPS + 1)), name
        assert got == pytest.approx(values), name
    at, costs = zip(*seen["step/cost"], strict=True)
    assert list(at) == list(range(WARM, WARM + STEPS + 1))
    assert costs == pytest.approx([first["cost"], *(info["cost"] for info in infos)])


def test_seconds_are_those_up_to_the_end_of_their_own_step(tmp_path: Path) -> None:
    env = digits(tmp_path)
    env.reset(seed=0)
    spent = [0.0, env.seconds]
    for _ in range(STEPS):
        env.step(np.ones(P, dtype=np.int8))
        spent.append(env.seconds)
    env.close()
    _, seconds = zip(*curves(tmp_path / "run_1")["time/seconds"], strict=True)
    for before, drawn, after in zip(spent[:-1], seconds, spent[1:], strict=True):
        assert before < drawn <= after * (1 + 1e-6)


def test_evaluations_are_drawn_at_the_pools_after_which_they_were_made(tmp_path: Path) -> None:
    env = digits(tmp_path, epochs=4)
    play(env)
    env.close()
    seen, evaluations = curves(tmp_path / "run_1"), env.run.evaluations
    for name in ("accuracy", "loss"):
        expected = [(10 * (number + 1), evaluation.validation[name]) for number, evaluation in enumerate(evaluations)]
        assert seen[f"eval/val_{name}"] == [(at, pytest.approx(value)) for at, value in expected]
        assert seen[f"eval/test_{name}"] == [(40, pytest.approx(evaluations[-1].test[name]))]
    assert seen["eval/cost"] == [(10 * (at + 1), pytest.approx(each.cost)) for at, each in enumerate(evaluations)]
    assert len(evaluations) == 4


def test_every_run_has_a_folder_of_its_own_also_beside_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "run_2").mkdir()
    env = digits(str(tmp_path), features=["price"])
    assert [path.name for path in tmp_path.iterdir()] == ["run_2"]
    for seed in range(2):
        play(env, seed)
    env.close()
    other = SamplewiseVecEnv(
        "DataSelect/Digits-v0", tensorboard_log=str(tmp_path), epochs=3, device="cpu", autoreset=False
    )
    other.reset()
    for _ in range(3):
        other.step(np.ones(P, dtype=np.int64))
    other.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run_1", "run_2", "run_3", "run_4"]
    lengths = {name: len(curves(tmp_path / name).get("step/reward", [])) for name in ("run_1", "run_3", "run_4")}
    assert lengths == {"run_1": STEPS, "run_3": STEPS, "run_4": 3}
    assert not any((tmp_path / "run_2").iterdir())


def test_terms_of_a_reward_of_ones_own_are_drawn_under_their_names(tmp_path: Path) -> None:
    env = digits(tmp_path, reward=lambda outcome: (outcome.kept.float(), {"mine": outcome.kept.sum()}))
    env.reset(seed=0)
    env.step(np.arange(P) < 32)
    env.close()
    assert curves(tmp_path / "run_1")["step/reward/mine"] == [(WARM + 1, 32)]


def test_drawing_changes_nothing_of_the_run(tmp_path: Path) -> None:
    assert data_equivalence(play(digits(tmp_path)), play(digits(None)), exact=True)


def test_nothing_is_written_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    play(digits(None))
    assert not any(tmp_path.iterdir())


def test_curves_are_whole_when_the_environment_is_closed_within_a_run_and_the_run_may_go_on(tmp_path: Path) -> None:
    env = gym.make("DataSelect/Digits-v0", epochs=3, device="cpu", tensorboard_log=str(tmp_path))
    env.reset(seed=0)
    env.step(np.ones(P, dtype=np.int8))
    env.close()
    assert len(curves(tmp_path / "run_1")["step/reward"]) == 1
    env.step(np.ones(P, dtype=np.int8))
    assert len(curves(tmp_path / "run_1")["step/reward"]) == 1


def test_training_goes_on_where_curves_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    env = digits(tmp_path / "file")
    with pytest.warns(CurvesWarning, match=r"^curves cannot be written: .*; training goes on without$"):
        env.reset(seed=0)
    env.step((env.run.pool.numpy() % 2).astype(np.int8))
    whole = play(digits(None))
    env = digits(tmp_path / "curves")
    env.reset(seed=0)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(env.curves.writer, "add_scalar", full)
    keep = (env.run.pool.numpy() % 2).astype(np.int8)
    with pytest.warns(CurvesWarning, match="No space left on device"):
        observation, *_ = env.step(keep)
    assert np.array_equal(observation, whole[1][0]) and env.curves.writer is None
    env.step(keep)
