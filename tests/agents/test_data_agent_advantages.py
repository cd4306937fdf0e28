from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.running_mean_std import RunningMeanStd

from data_select_gym.agents.learned.data_agent import ScaledRolloutBuffer

from .data_agents import P, agent, drawn, fill, paper


def buffer(
    rewards: NDArray[np.float32], values: NDArray[np.float32], *, gamma: float, lam: float, **options: Any
) -> ScaledRolloutBuffer:
    steps, count = rewards.shape
    space, score = spaces.Box(0, 1, (2,), dtype=np.float32), spaces.Box(0, 1, (1,), dtype=np.float32)
    made = ScaledRolloutBuffer(steps, space, score, "cpu", lam, gamma, count, **options)
    add_steps(made, rewards, values)
    return made


def add_steps(made: ScaledRolloutBuffer, rewards: NDArray[np.float32], values: NDArray[np.float32]) -> None:
    count = rewards.shape[1]
    for reward, value in zip(rewards, values, strict=True):
        starts = np.zeros(count)
        made.add(np.zeros((count, 2)), np.zeros((count, 1)), reward, starts, torch.tensor(value), torch.zeros(count))


def advantages_by_hand(
    rewards: NDArray[Any], values: NDArray[Any], last: NDArray[Any], gamma: float, lam: float
) -> NDArray[Any]:
    following = np.vstack([values[1:], last])
    errors = rewards + gamma * following - values
    result = np.zeros_like(errors)
    ahead = np.zeros(errors.shape[1])
    for step in reversed(range(len(errors))):
        ahead = errors[step] + gamma * lam * ahead
        result[step] = ahead
    return result


@pytest.mark.parametrize(("gamma", "lam"), [(0.99, 0.95), (0.0, 1.0)])
def test_advantages_are_divided_by_their_deviation_and_not_centred(gamma: float, lam: float) -> None:
    rewards, values, last = drawn(0, 4, 6), drawn(1, 4, 6), drawn(2, 6)
    made = buffer(rewards, values, gamma=gamma, lam=lam)
    made.compute_returns_and_advantage(torch.tensor(last), np.zeros(6, dtype=bool))
    expected = advantages_by_hand(rewards.astype(float), values, last, gamma, lam)
    assert made.advantages == pytest.approx(expected / expected.std(), rel=1e-4, abs=1e-5)
    assert abs(made.advantages.mean()) > 0.05
    assert made.advantages.std() == pytest.approx(1, rel=1e-5)
    # What the critic learns is not scaled.
    assert made.returns == pytest.approx(expected + values, rel=1e-4, abs=1e-5)


def test_advantages_that_are_all_zero_stay_zero() -> None:
    zeros = np.zeros((2, 3), dtype=np.float32)
    made = buffer(zeros, zeros, gamma=0.0, lam=1.0)
    made.compute_returns_and_advantage(torch.zeros(3), np.ones(3, dtype=bool))
    assert not made.advantages.any()


def test_rewards_are_normalised_by_the_mean_and_deviation_of_all_samples_so_far() -> None:
    first, second = drawn(0, 3, 50), 5 * drawn(1, 3, 50) + 2
    values, last = np.zeros((3, 50), dtype=np.float32), torch.zeros(50)
    made = buffer(first, values, gamma=0.0, lam=1.0, statistics=RunningMeanStd(shape=()))
    made.compute_returns_and_advantage(last, np.zeros(50, dtype=bool))
    assert made.rewards == pytest.approx((first - first.mean()) / first.std(), rel=1e-3, abs=1e-3)
    made.reset()
    add_steps(made, second, values)
    made.compute_returns_and_advantage(last, np.zeros(50, dtype=bool))
    seen = np.concatenate([first, second])
    assert made.rewards == pytest.approx((second - seen.mean()) / seen.std(), rel=1e-3, abs=1e-3)
    assert made.rewards.dtype == np.float32


def test_the_papers_agent_learns_from_normalised_rewards_and_the_default_from_plain_ones() -> None:
    rewards = 100 + drawn(0, 10, P)
    normal, plain = fill(paper(), rewards=rewards), fill(agent(), rewards=rewards)
    assert normal.rewards == pytest.approx((rewards - rewards.mean()) / rewards.std(), rel=1e-2, abs=1e-2)
    assert plain.rewards.tolist() == rewards.tolist()


def test_with_discount_zero_an_advantage_knows_nothing_of_later_steps() -> None:
    rewards = drawn(0, 10, P)
    one = fill(agent(), rewards=rewards)
    advantage, values = one.advantages, one.values
    unscaled = rewards - values
    assert advantage == pytest.approx(unscaled / unscaled.std(), rel=1e-4, abs=1e-5)
