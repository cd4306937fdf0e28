import math
from typing import Any

import numpy as np
import pytest
import torch

from data_select_gym.rewards import REWARDS, StepOutcome

from .joint_runs import Choice, P, digits, everything, halves, nothing, play


def test_reward_is_the_mean_of_the_sample_rewards_and_the_return_their_sum() -> None:
    env = digits(batch_size=16)
    for _ in range(2):
        rewards = []
        for _, reward, *_, info in play(env)[1:-1]:
            assert reward == info["sample_rewards"].mean(dtype=np.float64)
            assert (info["sample_rewards"][~info["kept"]] == 0).all()
            assert np.abs(info["sample_rewards"][info["kept"]]).min() > 0
            rewards.append(reward)
        assert env.episode_return == pytest.approx(sum(rewards), rel=1e-12)


@pytest.mark.parametrize("keep_ratio", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("choose", [halves, everything, nothing])
def test_price_moves_after_each_step_by_a_tenth_of_what_was_kept_too_much(keep_ratio: float, choose: Choice) -> None:
    env = digits(keep_ratio=keep_ratio, features=["price"])
    price = 1 - keep_ratio
    observation, _ = env.reset(seed=0)
    while not env.run.done:
        assert observation == pytest.approx(np.full((P, 1), price))
        observation, *_, info = env.step(choose(env))
        assert info["reward_terms"]["price"] == pytest.approx(price)
        price = min(1, max(0, price + 0.1 * (info["kept"].mean() - keep_ratio)))
    assert observation == pytest.approx(np.full((P, 1), price))
    observation, _ = env.reset()
    assert observation == pytest.approx(np.full((P, 1), 1 - keep_ratio))


@pytest.mark.parametrize("reward", sorted(REWARDS))
def test_reward_sees_what_was_recorded_before_and_during_the_step(reward: str) -> None:
    env = digits(reward=reward)
    env.reset(seed=0)
    for _ in range(3):
        pool, price, mask = env.run.pool, env.price.value, halves(env)
        before = env.run.ledger.read(pool)
        *_, info = env.step(mask)
        after = env.run.ledger.read(pool)
        record = env.record
        assert record is not None
        kept = torch.from_numpy(mask).bool()
        outcome = StepOutcome(before, after, kept, kept.float(), record.minibatches, price, record.validation_gain)
        expected, terms = REWARDS[reward](outcome)
        assert np.array_equal(info["sample_rewards"], expected.numpy())
        assert info["reward_terms"] == {name: term.item() for name, term in terms.items()} | {"price": price}
        assert info["train_loss"] == pytest.approx(after.loss[kept].mean().item())


def test_reward_can_be_a_weighted_sum() -> None:
    parts = {name: play(digits(reward=name)) for name in ("difficulty", "uncertainty")}
    weighted = play(digits(reward={"difficulty": 0.7, "uncertainty": -0.3}))
    for hard, unsure, both in zip(*(steps[1:-1] for steps in [*parts.values(), weighted]), strict=True):
        expected = 0.7 * hard[-1]["sample_rewards"] - 0.3 * unsure[-1]["sample_rewards"]
        assert both[-1]["sample_rewards"] == pytest.approx(expected, abs=1e-6)
        assert both[-1]["reward_terms"]["difficulty"] == pytest.approx(hard[1], abs=1e-6)


def test_reward_can_be_a_function_of_what_was_done() -> None:
    seen: list[StepOutcome] = []

    def count(outcome: StepOutcome) -> Any:
        seen.append(outcome)
        return outcome.kept.float() * 2, {"kept": outcome.kept.sum()}

    env = digits(reward=count)
    env.reset(seed=0)
    mask = halves(env)
    _, reward, _, _, info = env.step(mask)
    assert reward == pytest.approx(2 * mask.mean())
    assert info["reward_terms"] == {"kept": mask.sum(), "price": 0.5}
    (outcome,) = seen
    assert outcome.action.tolist() == mask.tolist()
    assert sorted(torch.cat(outcome.minibatches).tolist()) == mask.nonzero()[0].tolist()


def test_reward_that_is_not_finite_is_paid_as_a_finite_one() -> None:
    env = digits(reward=lambda outcome: torch.where(outcome.kept, torch.inf, torch.nan))
    env.reset(seed=0)
    _, reward, *_, info = env.step(halves(env))
    assert math.isfinite(reward)
    assert np.isfinite(info["sample_rewards"]).all()
