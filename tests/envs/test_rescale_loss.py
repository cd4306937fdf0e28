"""Losses of what scores keep, multiplied by 1 / keep_ratio."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from data_select_gym.agents import DataAgent, FrozenPolicy
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, ScoreAction
from data_select_gym.selection import best_share

from .joint_runs import same, small, weights

Step = Callable[[DataSelectEnv, NDArray[np.float32]], Any]


def scores(env: DataSelectEnv) -> NDArray[np.float32]:
    """Others at each step."""
    return np.random.default_rng(env.run.pool_number).uniform(0.1, 1, env.plan.pool_size).astype(np.float32)


def trained(step: Step, **options: Any) -> list[NDArray[Any]]:
    """The weights at the end of a run."""
    env = small(keep_ratio=0.3, **options)
    env.reset(seed=0)
    while not env.run.done:
        step(env, scores(env))
    return weights(env)


def by_hand(weight: float) -> Step:
    return lambda env, given: env.step(best_share(torch.from_numpy(given), 0.3, env.pool_labels).numpy() * weight)


@pytest.mark.parametrize("options", [{}, {"balance_classes": True}], ids=str)
def test_a_rescaled_run_is_one_with_these_weights_by_hand_and_off_changes_nothing(options: dict[str, Any]) -> None:
    rescaled = trained(DataSelectEnv.step_scores, rescale_loss=True, **options)
    plain = trained(DataSelectEnv.step_scores, **options)
    assert same(rescaled, trained(by_hand(1 / 0.3), **options))
    assert same(plain, trained(by_hand(1), **options))
    assert not same(rescaled, plain)


def test_masks_and_weights_are_left_as_they_are() -> None:
    for weight in (1, 0.7):
        assert same(trained(by_hand(weight), rescale_loss=True), trained(by_hand(weight)))


def test_whatever_selects_by_scores_is_rescaled() -> None:
    expected = trained(DataSelectEnv.step_scores, rescale_loss=True)
    assert same(trained(lambda env, given: ScoreAction(env).step(given), rescale_loss=True), expected)

    env = small(keep_ratio=0.3, rescale_loss=True)
    slots = SamplewiseVecEnv(env, action="score")
    slots.seed(0)
    slots.reset()
    slots.autoreset = False
    while not env.run.done:
        slots.step(scores(env)[:, None])
    assert same(weights(env), expected)


def test_a_frozen_agent_with_scores_is_rescaled_too() -> None:
    env = small(keep_ratio=0.5, rescale_loss=True)
    policy = FrozenPolicy(DataAgent(SamplewiseVecEnv(env, action="score"), device="cpu"))
    observation, _ = env.reset(seed=0)
    policy.start(env)
    assert sorted(policy.select(observation).tolist()) == [0.0] * 4 + [2.0] * 4
