"""What an environment does about losses that are not finite."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import TensorDataset

from data_select_gym.envs import DataSelectEnv, SamplewiseVectorEnv
from data_select_gym.tasks import Classification, Recipe, Task
from data_select_gym.training import NonFiniteLossError

from .joint_runs import same

P, WRONG = 8, 11
SKIPPED = pytest.mark.filterwarnings("ignore:.*minibatches are skipped:RuntimeWarning")


def make_task() -> Task:
    """Forty samples, of which one has inputs that are not numbers."""
    inputs = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    labels = inputs.argmax(1)
    clean = TensorDataset(inputs.clone(), labels)
    inputs[WRONG] = math.nan
    return Task(
        name="one wrong",
        train=TensorDataset(inputs, labels),
        validation=clean,
        make_model=lambda: nn.Linear(3, 3),
        objective=Classification(),
        recipe=Recipe(4, 4, partial(torch.optim.SGD, lr=0.1)),
    )


def make(on_non_finite: str | None = None, **options: Any) -> DataSelectEnv:
    options = {"pool_size": P, "device": "cpu", "warmup_epochs": 0, "anneal_fraction": 0.0} | options
    if on_non_finite is not None:
        options["on_non_finite"] = on_non_finite
    return DataSelectEnv(make_task(), **options)


def at_the_wrong_one(env: DataSelectEnv) -> DataSelectEnv:
    """The environment within a run, at the pool that has the wrong sample."""
    env.reset(seed=0)
    while WRONG not in env.run.pool:
        env.step(np.ones(P, np.int8))
    return env


def test_a_step_stops_unless_it_is_told_to_skip() -> None:
    env = at_the_wrong_one(make())
    before = {name: value.clone() for name, value in env.run.model.state_dict().items()}
    price, shares = env.price.value, list(env.keep_fractions)
    mask = env.run.pool.numpy() == WRONG
    mask[:2] = True
    with pytest.raises(NonFiniteLossError, match=rf"^1 of the [23] losses .* of the training samples {WRONG}; epoch 0"):
        env.step(mask)
    assert all(torch.equal(value, before[name]) for name, value in env.run.model.state_dict().items())
    assert env.price.value == price and env.keep_fractions == shares
    *_, info = env.step(env.run.pool.numpy() != WRONG)
    assert "skipped" not in info


def test_a_reset_stops_in_its_warm_up_and_a_step_says_so() -> None:
    env = make(warmup_epochs=1)
    with pytest.raises(NonFiniteLossError, match=f"of the training samples {WRONG}; epoch 0"):
        env.reset(seed=0)
    with pytest.raises(ResetNeeded, match=r"^an error ended the run in its warm-up"):
        env.step(np.ones(P, np.int8))


@SKIPPED
def test_what_was_skipped_is_counted_and_not_kept(tmp_path: Path) -> None:
    env = make("skip", tensorboard_log=tmp_path)
    _, first = env.reset(seed=0)
    assert first["skipped"] == 0
    counts, seen, terminated = [], [0], False
    while not terminated:
        wrong = WRONG in env.run.pool
        _, reward, terminated, _, info = env.step(np.ones(P, np.int8))
        counts.append(int(wrong))
        seen.append(info["skipped"])
        assert type(info["skipped"]) is np.int64 and math.isfinite(reward)
        # One of two minibatches of four.
        assert info["kept"].sum() == (4 if wrong else 8) and info["keep_fraction"] == info["kept"].mean()
        assert not info["kept"][info["indices"] == WRONG].any()
        assert not info["sample_rewards"][~info["kept"]].any()
    assert np.diff(seen).tolist() == counts and seen[-1] == env.run.skipped == 4
    assert info["cost"] == 1
    env.close()
    points = EventAccumulator(str(tmp_path / "run_1")).Reload().Scalars("step/skipped")
    assert [point.value for point in points] == seen


@SKIPPED
def test_a_run_that_stopped_goes_on_from_where_it_was_saved_and_skips(tmp_path: Path) -> None:
    env = at_the_wrong_one(make())
    env.save(tmp_path / "good.pt")
    with pytest.raises(NonFiniteLossError):
        env.step(np.ones(P, np.int8))
    other = make("skip")
    other.load(tmp_path / "good.pt")
    while not other.run.done:
        other.step(np.ones(P, np.int8))
    assert other.run.skipped == 4
    assert all(value.isfinite().all() for value in other.run.model.state_dict().values())


@SKIPPED
def test_a_skipping_run_is_the_same_again() -> None:
    def played() -> list[Any]:
        env = make("skip", warmup_epochs=1)
        trace: list[Any] = [env.reset(seed=3)]
        while not env.run.done:
            trace.append(env.step((env.run.pool.numpy() % 2).astype(np.int8)))
        return trace

    assert same(played(), played())


@SKIPPED
def test_slots_have_the_count_too() -> None:
    env = SamplewiseVectorEnv(P, task=make_task(), device="cpu", on_non_finite="skip", warmup_epochs=1)
    _, infos = env.reset(seed=0)
    assert infos["skipped"].tolist() == [1] * P


def test_the_choice_is_an_argument_of_every_environment() -> None:
    with pytest.raises(ValueError, match=r"^on_non_finite='ignore' is not known; known are: stop, skip$"):
        gym.make("DataSelect/Digits-v0", on_non_finite="ignore")
