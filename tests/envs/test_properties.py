"""What holds for every run, whatever the data, the settings and the actions are."""

from __future__ import annotations

import math
from collections import defaultdict
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import TensorDataset

from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.features import FEATURES
from data_select_gym.rewards import REWARDS
from data_select_gym.tasks import Classification, Recipe, Task

SHARES = st.sampled_from([0.01, 0.3, 0.5, 0.7, 1.0]) | st.floats(0.01, 1)
# What needs no look at the validation set, which is counted in the cost.
BLIND_FEATURES = [name for name in FEATURES if name != "alignment"]
BLIND_REWARDS = [name for name, reward in REWARDS.items() if not reward.needs]
ACTIONS = ["all", "none", "one", "some", "weights", "scores", "equal scores"]


def data(samples: int, kind: str, classes: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(samples)
    inputs = {
        "drawn": torch.randn(samples, 2, generator=generator),
        "constant": torch.ones(samples, 2),
        "zero": torch.zeros(samples, 2),
        "huge": 1e3 * torch.randn(samples, 2, generator=generator),
    }[kind]
    return TensorDataset(inputs, torch.arange(samples) % classes)


@st.composite
def environments(draw: st.DrawFn, *, blind: bool = False) -> DataSelectEnv:
    """Environments on tiny and degenerate data, with any settings that leave something to select."""
    samples = draw(st.integers(2, 30), label="samples")
    train = data(samples, draw(st.sampled_from(["drawn", "constant", "zero", "huge"])), draw(st.integers(1, 3)))
    batch_size, epochs = draw(st.integers(1, 9), label="batch size"), draw(st.integers(1, 4), label="epochs")
    task = Task(
        name="tiny",
        train=train,
        validation=data(draw(st.integers(1, 5)), "drawn", 2),
        make_model=lambda: nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3)),
        objective=Classification(),
        recipe=Recipe(epochs, batch_size, partial(torch.optim.SGD, lr=0.1), max_grad_norm=1.0),
    )
    features = st.lists(st.sampled_from(BLIND_FEATURES if blind else list(FEATURES)), min_size=1, unique=True)
    pool_size = draw(st.none() | st.integers(2, samples), label="pool size")
    least = 1.6 / (min(samples, 8 * batch_size) if pool_size is None else pool_size)  # two candidates, rounded
    options = {
        "keep_ratio": max(least, draw(SHARES, label="keep ratio")),
        "balance_classes": draw(st.booleans(), label="balance classes"),
        "rescale_loss": draw(st.booleans(), label="rescale loss"),
        "pool_size": pool_size,
        "features": draw(features, label="features"),
        "observe": draw(st.sampled_from(["recorded", "fresh"]), label="observe"),
        "reward": draw(st.sampled_from(BLIND_REWARDS if blind else list(REWARDS)), label="reward"),
        "warmup_epochs": draw(st.integers(0, 2), label="warm-up"),
        "anneal_fraction": draw(st.sampled_from([0.0, 0.125, 0.5]), label="annealing"),
        "schedule_fraction": draw(st.sampled_from([1.0, 0.75, 0.4]), label="schedule_fraction"),
    }
    try:
        return DataSelectEnv(task, device="cpu", **options)
    except ValueError as error:
        assume("leaves no step to select at" not in str(error))
        raise


def act(kind: str, pool_size: int, generator: np.random.Generator) -> NDArray[Any]:
    """An action of a kind of :data:`ACTIONS`."""
    drawn = generator.random(pool_size)
    return {
        "all": np.ones(pool_size, bool),
        "none": np.zeros(pool_size),
        "one": np.arange(pool_size) == generator.integers(pool_size),
        "some": (drawn < generator.random()).astype(np.int8),
        "weights": np.where(drawn < 0.5, 0, 3 * drawn),
        "scores": drawn,
        "equal scores": np.full(pool_size, 0.5),
    }[kind]


def expected_count(env: DataSelectEnv, kind: str, action: NDArray[Any]) -> int:
    """How many of the pool are to be trained on."""
    pool_size = env.plan.pool_size
    count = round(env.keep_ratio * pool_size) if "scores" in kind else np.count_nonzero(action)
    return count if count > 1 else 0  # fewer than two are not trained on


@settings(deadline=None, max_examples=120)
@given(environments(), st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=6), st.integers(0, 99))
def test_shapes_ranges_and_counts_of_every_run(env: DataSelectEnv, kinds: list[str], seed: int) -> None:
    plan, generator = env.plan, np.random.default_rng(seed)
    pool_size, width = plan.pool_size, len(env.features) + (3 if "embedding" in env.features else 0)
    observation, info = env.reset(seed=seed)
    shown, kept_at, terminated, steps, total = info["pool_indices"], defaultdict[int, list[int]](list), False, 0, 0.0
    shown_at = defaultdict[int, list[int]](list)
    while not terminated:
        assert observation.dtype == np.float32 and observation.shape == (pool_size, width)
        assert np.isfinite(observation).all() and observation in env.observation_space
        kind = kinds[steps % len(kinds)]
        action, epoch, price = act(kind, pool_size, generator), env.run.epoch, env.price.value
        move = env.step_scores if "scores" in kind else env.step
        observation, reward, terminated, truncated, info = move(action)
        steps, total = steps + 1, total + reward
        # The pool is the one that was shown, and what is kept of it as many as the action says.
        assert np.array_equal(info["indices"], shown)
        assert len(set(shown.tolist())) == pool_size and 0 <= shown.min() <= shown.max() < plan.samples
        kept = info["kept"]
        assert kept.dtype == bool and kept.sum() == expected_count(env, kind, action)
        if kind in ("all", "none", "some", "weights") and not env.balance_classes and kept.any():
            assert np.array_equal(kept, action > 0)
        assert info["keep_fraction"] == pytest.approx(kept.mean())
        assert env.price.value == pytest.approx(min(1, max(0, price + 0.1 * (kept.mean() - env.keep_ratio))))
        rewards = info["sample_rewards"]
        assert rewards.dtype == np.float32 and rewards.shape == (pool_size,) and np.isfinite(rewards).all()
        assert math.isfinite(reward) and reward == pytest.approx(rewards.mean(dtype=np.float64), abs=1e-6)
        assert math.isfinite(info["train_loss"]) and all(map(math.isfinite, info["reward_terms"].values()))
        if env.reward_given != "validation-gain":
            assert not rewards[~kept].any()
        assert truncated is False and terminated == (steps == plan.selection_pools)
        shown_at[epoch].extend(shown.tolist())
        kept_at[epoch].extend(shown[kept].tolist())
        shown = info["pool_indices"]
    assert np.isfinite(observation).all() and observation in env.observation_space
    assert env.run.pool_number == plan.total_pools and info["progress"] == 1
    assert env.episode_return == pytest.approx(total)
    with pytest.raises(ResetNeeded):
        env.step(np.ones(pool_size))
    # Each sample is shown once in an epoch at most, and in a whole epoch all but the rest of a division are.
    for epoch, samples in shown_at.items():
        assert len(set(samples)) == len(samples)
        begins, ends = epoch * plan.pools_per_epoch, (epoch + 1) * plan.pools_per_epoch
        if plan.warmup_pools <= begins and ends <= plan.anneal_start:
            assert len(samples) == plan.pools_per_epoch * pool_size > plan.samples - pool_size
    # A sample was trained on once each time that it was kept, in warm-up and annealing whenever it was shown.
    full = plan.warmup_pools + plan.total_pools - plan.anneal_start
    visits, chosen = env.run.ledger.visits.numpy(), np.zeros(plan.samples, int)
    for samples in kept_at.values():
        np.add.at(chosen, samples, 1)
    assert visits.sum() == chosen.sum() + full * pool_size
    assert (visits >= chosen).all() and visits.max() <= math.ceil(plan.total_pools / plan.pools_per_epoch)


@settings(deadline=None, max_examples=60)
@given(environments(blind=True), st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=6), st.integers(0, 99))
def test_the_cost_is_what_was_trained_on_and_a_third_of_what_was_only_passed_forward(
    env: DataSelectEnv, kinds: list[str], seed: int
) -> None:
    plan, generator = env.plan, np.random.default_rng(seed)
    unit = plan.full_pools * plan.pool_size
    _, info = env.reset(seed=seed)
    looked = plan.pool_size / 3 if env.observe == "fresh" else 0.0
    spent = plan.warmup_pools * plan.pool_size + looked
    assert info["cost"] == pytest.approx(spent / unit)
    for step in range(plan.selection_pools):
        kind = kinds[step % len(kinds)]
        action = act(kind, plan.pool_size, generator)
        *_, terminated, _, info = (env.step_scores if "scores" in kind else env.step)(action)
        spent += info["kept"].sum() + (0 if terminated else looked)
        if not terminated:
            assert info["cost"] == pytest.approx(spent / unit)
    spent += (plan.total_pools - plan.anneal_start) * plan.pool_size
    assert info["cost"] == pytest.approx(spent / unit)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(environments(blind=True), st.integers(0, 99))
def test_scores_keep_the_budget(env: DataSelectEnv, seed: int) -> None:
    plan, generator = env.plan, np.random.default_rng(seed)
    env.reset(seed=seed)
    while not env.run.done:
        env.step_scores(generator.random(plan.pool_size))
    count = max(1, round(env.keep_ratio * plan.pool_size))
    share = count / plan.pool_size if count > 1 else 0.0
    assert [kept for _, kept in env.keep_fractions] == pytest.approx([share] * plan.selection_pools)
    assert env.run.cost == pytest.approx(plan.cost(share))


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(environments(), st.integers(0, 99))
def test_a_run_is_the_same_again(env: DataSelectEnv, seed: int) -> None:
    def played() -> list[Any]:
        generator = np.random.default_rng(seed)
        trace: list[Any] = [env.reset(seed=seed)[0].tolist()]
        while not env.run.done:
            observation, reward, *_ = env.step(generator.integers(0, 2, env.plan.pool_size))
            trace.append((observation.tolist(), reward, env.run.cost))
        return [*trace, [value.tolist() for value in env.run.model.state_dict().values()]]

    assert played() == played()
