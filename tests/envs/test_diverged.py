"""Observations and rewards are finite whatever becomes of the model and the losses."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.features import FEATURES
from data_select_gym.rewards import REWARDS
from data_select_gym.signals import Signals
from data_select_gym.tasks import Classification, Recipe, Task

from ..tiers import slow

N, P = 24, 12
EVERY_REWARD = pytest.mark.parametrize("reward", [*REWARDS, dict.fromkeys(REWARDS, 1.0)], ids=[*REWARDS, "sum"])

pytestmark = pytest.mark.filterwarnings("ignore:.*minibatches are skipped:RuntimeWarning")


class Losses(Classification):
    """Losses of certain values, in turn, with a slope of the true ones or of zero."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.values = torch.tensor(values)

    def __call__(self, model: nn.Module, inputs: Tensor, targets: Tensor, *, embed: bool) -> tuple[Tensor, Signals]:
        losses, signals = super().__call__(model, inputs, targets, embed=embed)
        given = self.values[torch.arange(len(losses)) % len(self.values)]
        losses = 0 * losses + given
        return losses, replace(signals, loss=losses.detach())


def make(
    *,
    objective: Classification | None = None,
    inputs: Tensor | None = None,
    labels: Tensor | None = None,
    **options: Any,
) -> DataSelectEnv:
    drawn = torch.randn(N, 3, generator=torch.Generator().manual_seed(0))
    inputs = drawn if inputs is None else inputs
    data = TensorDataset(inputs, drawn.argmax(1) if labels is None else labels)
    task = Task(
        name="small",
        train=data,
        validation=data,
        make_model=lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 3)),
        objective=objective or Classification(),
        recipe=Recipe(4, 4, partial(torch.optim.SGD, lr=options.pop("rate", 0.1))),
    )
    settings: dict[str, Any] = {"pool_size": P, "device": "cpu", "on_non_finite": "skip", "features": tuple(FEATURES)}
    return DataSelectEnv(task, **settings | options)


def check(env: DataSelectEnv, observation: Any, reward: float = 0.0, info: dict[str, Any] | None = None) -> None:
    assert observation.dtype == np.float32 and np.isfinite(observation).all()
    assert observation in env.observation_space
    assert type(reward) is float and math.isfinite(reward)
    if info is not None:
        assert info["sample_rewards"].shape == (P,) and np.isfinite(info["sample_rewards"]).all()
        assert all(map(math.isfinite, info["reward_terms"].values())), info["reward_terms"]


def play(env: DataSelectEnv, spoil: float | None = None) -> None:
    """A run of all kinds of actions, with all weights of the model set to ``spoil`` after its first step."""
    observation, _ = env.reset(seed=0)
    check(env, observation)
    generator, terminated, number = np.random.default_rng(0), False, 0
    while not terminated:
        actions = [np.ones(P), np.zeros(P), generator.integers(0, 2, P), 9 * generator.random(P)]
        if number % 5 == 4:
            observation, reward, terminated, _, info = env.step_scores(generator.random(P))
        else:
            observation, reward, terminated, _, info = env.step(actions[number % 5])
        check(env, observation, reward, info)
        if number == 0 and spoil is not None:
            for weights in env.run.model.parameters():
                weights.data.fill_(spoil)
        number += 1
    assert math.isfinite(env.episode_return)


@EVERY_REWARD
@pytest.mark.parametrize("observe", [slow("recorded"), "fresh"])
def test_with_a_diverged_model(reward: Any, observe: str) -> None:
    for spoil in (math.nan, math.inf, 1e30):
        env = make(reward=reward, observe=observe)
        play(env, spoil)
        assert env.run.skipped
    # One minibatch a step, so that every other step breaks what the one before it left.
    play(make(reward=reward, observe=observe, rate=1e30, pool_size=P, warmup_epochs=0))


@EVERY_REWARD
def test_with_one_class_only_and_with_samples_that_are_all_the_same(reward: Any) -> None:
    for inputs in (None, torch.ones(N, 3), torch.zeros(N, 3)):
        play(make(reward=reward, inputs=inputs, labels=torch.zeros(N, dtype=torch.int64)))


@EVERY_REWARD
@pytest.mark.parametrize(
    "losses", [(0.0,), slow((1e30,)), slow((0.0, 1e30)), (1e30, 1e-30, 1.0), (-3e38, 3e38), slow((-1.0, -2.0))], ids=str
)
def test_with_losses_of_any_size(reward: Any, losses: tuple[float, ...]) -> None:
    play(make(reward=reward, objective=Losses(*losses)))


@EVERY_REWARD
def test_with_embeddings_and_errors_of_any_size(reward: Any) -> None:
    for scale in (1e20, 1e38):
        play(make(reward=reward, inputs=scale * torch.randn(N, 3).sign(), observe="fresh"))


@pytest.mark.parametrize("spoil", [math.nan, math.inf])
def test_an_embedding_that_a_diverged_model_does_not_give_is_zero(spoil: float) -> None:
    env = make(features=("embedding",), observe="fresh")
    env.reset(seed=0)
    env.run.model[0].bias.data.fill_(spoil)  # type: ignore[index, union-attr]
    observation, *_ = env.step(np.zeros(P))
    assert not env.signals.embedding.isfinite().any()  # type: ignore[union-attr]
    assert not observation.any()
