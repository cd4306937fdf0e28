from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_select_gym.envs import DataSelectEnv
from data_select_gym.training import FunctionCallback, TrainingRun

from .joint_runs import N, P, digits, halves, play


def accuracy(env: DataSelectEnv, dataset: Any) -> float:
    images, labels = dataset.tensors
    env.run.model.eval()
    return (env.run.model(images).argmax(1) == labels).float().mean().item()


def test_reward_and_ends_are_plain_and_observations_are_in_their_space() -> None:
    env = digits()
    observation, info = env.reset(seed=0)
    assert observation in env.observation_space
    assert observation.dtype == np.float32
    assert observation.shape == (P, 8)
    ends = []
    while not env.run.done:
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert observation in env.observation_space
        assert [type(reward), type(terminated), type(truncated), type(info)] == [float, bool, bool, dict]
        assert truncated is False
        ends.append(terminated)
    assert ends == [False] * (len(ends) - 1) + [True]


def test_info_of_a_reset_and_of_steps_holds_what_is_documented() -> None:
    state = {"pool_indices": np.ndarray, "cost": np.float64, "epoch": np.int64, "progress": np.float64}
    acted = dict.fromkeys(("indices", "kept", "sample_rewards"), np.ndarray)
    acted |= {"reward_terms": dict, "keep_fraction": np.float64, "train_loss": np.float64}
    env = digits()
    trace = play(env)
    (_, first), *steps, _ = trace
    assert {name: type(value) for name, value in first.items()} == state | {"eval": dict}
    for number, (*_, info) in enumerate(steps, 1):
        evaluated = {"eval": dict} if number == 10 else {}
        assert {name: type(value) for name, value in info.items()} == state | acted | evaluated
        assert all(type(value) is np.float64 for value in info["reward_terms"].values())
        at = [info["epoch"], info["progress"]]
        assert at == ([1, (10 + number) / 30] if number < 10 else [3, 1])
    assert [first["epoch"], first["progress"], first["cost"]] == [1, 1 / 3, 1 / 3]
    assert [info["indices"].dtype, info["kept"].dtype, info["sample_rewards"].dtype] == [np.int64, bool, np.float32]
    assert list(info["eval"]) == ["val_accuracy", "val_loss", "test_accuracy", "test_loss"]
    assert all(type(value) is np.float64 for value in (*info["eval"].values(), *first["eval"].values()))


def leaves(info: Any) -> list[Any]:
    return [leaf for value in info.values() for leaf in leaves(value)] if isinstance(info, dict) else [info]


@pytest.mark.parametrize("options", [{"label_noise": 0.2, "on_non_finite": "skip"}, {"reward": "validation-gain"}])
def test_every_value_of_an_info_has_a_dtype_and_the_state_is_plain(options: dict[str, Any], tmp_path: Path) -> None:
    env = digits(tensorboard_log=tmp_path, pool_size=640, **options)
    (_, first), *steps, _ = play(env)
    for info in (first, *(step[-1] for step in steps)):
        assert all(isinstance(leaf, np.ndarray | np.generic) for leaf in leaves(info))
    plain = (bool, int, float, str, torch.Tensor, type(None))
    others = {type(leaf) for leaf in leaves(env.state_dict()) if not isinstance(leaf, list | tuple)} - set(plain)
    assert not others
    env.save(tmp_path / "state.pt")
    digits(tensorboard_log=tmp_path, pool_size=640, **options).load(tmp_path / "state.pt")


def test_each_pool_is_judged_in_the_info_after_the_one_that_shows_it() -> None:
    env = digits(epochs=4, pool_size=300)
    _, info = env.reset(seed=0)
    judged, number = [], 0
    while not env.run.done:
        shown, mask = info["pool_indices"], halves(env)
        assert np.array_equal(shown, env.run.pool.numpy())
        *_, info = env.step(mask)
        assert np.array_equal(info["indices"], shown)
        assert np.array_equal(info["kept"], mask.astype(bool))
        assert info["keep_fraction"] == pytest.approx(mask.mean())
        assert env.keep_fractions[-1] == (5 + number, info["keep_fraction"])
        judged.append(info["indices"])
        number += 1
    epochs = np.concatenate(judged).reshape(2, 4 * 300)
    for epoch in epochs:
        assert len(set(epoch.tolist())) == 1200
        assert 0 <= epoch.min() <= epoch.max() < N
    assert not np.array_equal(*epochs)


def test_evaluations_are_told_when_they_are_made() -> None:
    env = digits(epochs=4, pool_size=320)
    _, info = env.reset(seed=0)
    assert list(info["eval"]) == ["val_accuracy", "val_loss"]
    assert info["eval"]["val_accuracy"] == pytest.approx(accuracy(env, env.task.validation))
    told = []
    for number in range(1, 9):
        *_, info = env.step(halves(env))
        if "eval" in info:
            told.append(number)
            assert info["eval"]["val_accuracy"] == pytest.approx(accuracy(env, env.task.validation))
    assert told == [4, 8]
    assert info["eval"]["test_accuracy"] == pytest.approx(accuracy(env, env.task.test))
    assert info["eval"]["test_accuracy"] > 0.5
    _, info = digits(warmup_epochs=0).reset(seed=0)
    assert "eval" not in info


def test_every_pool_of_every_run_is_told_to_the_listener() -> None:
    env, seen = digits(epochs=4, schedule_fraction=0.75), []

    def note(run: TrainingRun) -> None:
        seen.append((run is env.run, run.pool_number))

    env.callbacks.append(FunctionCallback(note))
    for _ in range(2):
        play(env)
    assert seen == 2 * [(True, number) for number in range(1, 31)]
