import math
from copy import deepcopy

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

import data_select_gym  # noqa: F401

from .joint_runs import P, digits, everything, halves, play, same, small, weights


def test_keeping_everything_is_paid_for_in_full_and_learns() -> None:
    env = digits(batch_size=16)
    trace = play(env, choose=everything)
    assert env.run.cost == 1
    assert trace[-2][-1]["eval"]["test_accuracy"] > 0.85
    assert [info["keep_fraction"] for *_, info in trace[1:-1]] == [1.0] * 10


@pytest.mark.parametrize("kept", [0, 1])
@pytest.mark.parametrize("reward", ["priced-composite", "composite", "minibatch-composite"])
def test_keeping_fewer_than_two_updates_nothing_and_the_run_goes_on(kept: int, reward: str) -> None:
    env = digits(reward=reward, pool_size=320)
    env.reset(seed=0)
    start = weights(env)
    mask = (np.arange(320) < kept).astype(np.int8)
    while not env.run.done:
        observation, paid, terminated, _, info = env.step(mask)
        assert observation in env.observation_space
        assert np.isfinite(observation).all()
        assert [paid, info["train_loss"], info["keep_fraction"]] == [0, 0, 0]
        assert not info["sample_rewards"].any()
        assert not info["kept"].any()
        assert np.isfinite(list(info["reward_terms"].values())).all()
        assert same(weights(env), start) is not terminated
    assert env.run.cost == pytest.approx(2 / 3)
    assert all(np.isfinite(value).all() for value in [*weights(env), *info["eval"].values()])


def test_mask_may_be_of_any_number_type_and_a_weight_of_one_is_a_kept_sample() -> None:
    expected = play(digits())
    for kind in (bool, np.uint8, np.int64, np.float32, np.float64):
        assert same(play(digits(), choose=lambda env, kind=kind: halves(env).astype(kind)), expected)
    assert same(play(digits(), choose=lambda env: halves(env).tolist()), expected)


def test_loss_weights_weigh_the_losses_of_the_update() -> None:
    env = small(batch_size=16)
    env.reset(seed=0)
    env.run.model[2] = nn.Identity()
    data = env.task.train
    assert isinstance(data, TensorDataset)
    given = np.array([0, 0.5, 1, 2, 4, 0, 0, 1e-3])
    inputs, labels = (tensor[env.run.pool] for tensor in data.tensors)
    model = deepcopy(env.run.model)
    used = torch.from_numpy(given).float()[given > 0]
    losses = nn.functional.cross_entropy(model(inputs), labels, reduction="none")[given > 0]
    (used * losses).mean().backward()
    *_, info = env.step(given)
    assert info["kept"].tolist() == (given > 0).tolist()
    assert info["train_loss"] == pytest.approx(losses.mean().item())
    for before, after in zip(model.parameters(), env.run.model.parameters(), strict=True):
        assert after.detach().numpy() == pytest.approx((before - 0.1 * before.grad).detach().numpy(), abs=1e-6)


def test_size_of_loss_weights_is_not_rewarded() -> None:
    env, weighted = digits(reward="composite"), digits(reward="composite")
    env.reset(seed=0)
    weighted.reset(seed=0)
    mask = halves(env)
    _, reward, *_, info = env.step(mask)
    _, other, *_, weighted_info = weighted.step(mask * 3.0)
    assert weighted_info["keep_fraction"] == info["keep_fraction"]
    assert other == pytest.approx(reward, rel=0.2)
    assert not same(weights(env), weights(weighted))


@pytest.mark.parametrize("keep_ratio", [0.25, 0.5, 1.0])
def test_scores_keep_the_best_share_and_are_what_the_reward_multiplies(keep_ratio: float) -> None:
    env, masked = (digits(keep_ratio=keep_ratio, reward="composite") for _ in range(2))
    env.reset(seed=0)
    masked.reset(seed=0)
    scores = np.random.default_rng(0).uniform(0.1, 1, P).astype(np.float32)
    kept = scores >= np.sort(scores)[::-1][round(keep_ratio * P) - 1]
    for _ in range(3):
        *_, info = env.step_scores(scores)
        *_, plain = masked.step(kept)
        assert np.array_equal(info["kept"], kept)
        assert info["sample_rewards"] == pytest.approx(scores * plain["sample_rewards"])
    assert same(weights(env), weights(masked))


def test_gymnasium_passes_loss_weights_on_without_a_warning() -> None:
    env = gym.make("DataSelect/Digits-v0", epochs=3, device="cpu")
    env.reset(seed=0)
    *_, info = env.step(np.linspace(0, 2, P))
    assert info["kept"].tolist() == [False] + [True] * (P - 1)


@pytest.mark.filterwarnings("ignore:.*minibatches are skipped:RuntimeWarning")
@settings(deadline=None, max_examples=40)
@given(st.data())
def test_whatever_is_kept_the_run_stays_in_bounds_and_its_cost_right(data: st.DataObject) -> None:
    env = small(
        features=("loss", "uncertainty", "margin", "visits", "price", "embedding"), rate=10.0, on_non_finite="skip"
    )
    weight = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1e6, width=32))
    observation, _ = env.reset(seed=data.draw(st.integers(0, 2**32 - 1)))
    trained = 40
    while not env.run.done:
        action = np.array(data.draw(st.lists(weight, min_size=8, max_size=8)))
        observation, reward, _, _, info = env.step(action)
        kept = int((action > 0).sum())
        trained += (kept if kept > 1 else 0) + 40 * env.run.done
        assert observation in env.observation_space
        assert np.isfinite(observation).all()
        assert math.isfinite(reward)
        assert 0 <= env.price.value <= 1
        assert info["cost"] == pytest.approx(trained / 120)
    assert env.run.pool_number == 15
