"""The policy over whole pools: one network for all rows, which sees the pool through its mean."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, Space
from numpy.typing import NDArray
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from data_select_gym.agents import PoolPolicy, make_policy, run_policy

P, F = 16, 3


def policy(pool_size: int = P, **options: Any) -> PoolPolicy:
    torch.manual_seed(0)
    return PoolPolicy(Box(0, 1, (pool_size, F)), MultiBinary(pool_size), lambda _: 1e-3, **options)


def pools(count: int, pool_size: int = P) -> Tensor:
    return torch.rand(count, pool_size, F, generator=torch.Generator().manual_seed(1))


def logits(of: PoolPolicy, observations: Tensor) -> Tensor:
    distribution: Any = of.get_distribution(observations).distribution
    return distribution.logits


@torch.no_grad()
@pytest.mark.parametrize("net_arch", [None, [8], {"pi": [8, 8], "vf": [4]}])
def test_rows_in_another_order_get_the_same_logits_in_that_order(net_arch: Any) -> None:
    with_layers, shown = policy(net_arch=net_arch), pools(2)
    order = torch.randperm(P, generator=torch.Generator().manual_seed(2))
    expected = logits(with_layers, shown)
    assert expected.shape == (2, P) and with_layers.predict_values(shown).shape == (2, 1)
    assert torch.allclose(logits(with_layers, shown[:, order]), expected[:, order], atol=1e-6)
    assert torch.allclose(with_layers.predict_values(shown[:, order]), with_layers.predict_values(shown), atol=1e-6)


@torch.no_grad()
def test_a_row_sees_the_others_through_their_mean_alone() -> None:
    shown, own = pools(1), policy()
    moved, balanced = shown.clone(), shown.clone()
    moved[0, 1] += 0.5
    balanced[0, 1] += 0.5
    balanced[0, 2] -= 0.5
    before = logits(own, shown)[0, 0]
    assert not torch.allclose(logits(own, moved)[0, 0], before)
    assert torch.allclose(logits(own, balanced)[0, 0], before, atol=1e-6)


@torch.no_grad()
def test_pools_of_a_batch_do_not_see_each_other() -> None:
    shown, own = pools(3), policy()
    for number in range(3):
        alone = shown[number, None]
        assert torch.allclose(logits(own, shown)[number], logits(own, alone)[0], atol=1e-6)
        assert torch.allclose(own.predict_values(shown)[number], own.predict_values(alone)[0], atol=1e-6)


class Firsts(BaseFeaturesExtractor):
    """The first feature of each row."""

    def __init__(self, observation_space: Box) -> None:
        super().__init__(observation_space, features_dim=1)

    def forward(self, observations: Tensor) -> Tensor:
        return observations[:, :, :1]


@torch.no_grad()
def test_an_extractor_of_ones_own_gives_features_of_rows() -> None:
    own, shown = policy(features_extractor_class=Firsts), pools(1)
    moved = shown.clone()
    moved[:, :, 1:] += 0.5
    assert torch.equal(logits(own, moved), logits(own, shown))
    moved[:, 0, 0] += 0.5
    assert (logits(own, moved) != logits(own, shown)).tolist() == [[True, *[False] * (P - 1)]]


@torch.no_grad()
def test_a_masks_probability_is_the_product_over_the_rows() -> None:
    shown, own = pools(2), policy()
    masks = (torch.rand(2, P, generator=torch.Generator().manual_seed(3)) < 0.5).float()
    values, log_probability, entropy = own.evaluate_actions(shown, masks)
    keeping = logits(own, shown).sigmoid()
    expected = (masks * keeping + (1 - masks) * (1 - keeping)).log().sum(dim=1)
    assert torch.allclose(log_probability, expected, atol=1e-5)
    assert values.shape == (2, 1) and entropy is not None and entropy.shape == (2,)


@torch.no_grad()
def test_weights_serve_pools_of_any_size() -> None:
    own, other = policy(), policy(2 * P)
    other.load_state_dict(own.state_dict())
    shown = pools(1)
    # Twice the same rows have the same mean.
    assert torch.allclose(logits(other, shown.repeat(1, 2, 1)), logits(own, shown).repeat(1, 2), atol=1e-6)


class Halves(gym.Env[NDArray[np.float32], NDArray[Any]]):
    """Pays for keeping rows whose first feature is above a half, and charges for keeping others."""

    def __init__(self, pool_size: int) -> None:
        self.observation_space = Box(0, 1, (pool_size, F))
        self.action_space = MultiBinary(pool_size)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.shown = self.np_random.random(self.observation_space.shape, dtype=np.float32)
        return self.shown, {}

    def step(self, action: NDArray[Any]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        reward = float((action * (self.shown[:, 0] - 0.5)).mean())
        return self.reset()[0], reward, False, False, {}


def share_right(kind: Any) -> float:
    """Of the rows of fresh pools, the share that is kept or dropped as it should be."""
    settings: dict[str, Any] = {"n_steps": 128, "batch_size": 32, "learning_rate": 3e-3, "gamma": 0.0}
    model = PPO(kind, Halves(64), seed=0, device="cpu", **settings).learn(3000)
    shown = np.random.default_rng(9).random((50, 64, F), dtype=np.float32)
    kept, _ = model.predict(shown, deterministic=True)
    return float((kept == (shown[:, :, 0] > 0.5)).mean())


@pytest.mark.slow
def test_it_learns_of_the_pools_mean_reward_what_one_network_for_all_places_does_not() -> None:
    assert share_right(PoolPolicy) > 0.85
    assert share_right("MlpPolicy") < 0.65


@pytest.mark.parametrize(("kind", "settings"), [(A2C, {}), (PPO, {"batch_size": 2})])
def test_algorithms_learn_with_it_and_what_they_learned_is_saved(
    kind: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    env = gym.make("DataSelect/Digits-v0", epochs=3)
    model = kind(PoolPolicy, env, n_steps=4, device="cpu", seed=0, **settings).learn(8)
    observation, _ = env.reset(seed=1)
    kept, _ = model.predict(observation, deterministic=True)
    assert env.action_space.contains(kept.astype(np.int8))
    model.save(tmp_path / "model")
    again = kind.load(tmp_path / "model", device="cpu")
    assert again.predict(observation, deterministic=True)[0].tolist() == kept.tolist()
    chosen = make_policy(lambda observation: again.predict(observation, deterministic=True)[0])
    assert 0 < run_policy(chosen, env.unwrapped, seed=0).cost <= 1


@pytest.mark.parametrize(
    ("observations", "actions"),
    [
        (Box(0, 1, (P, F)), MultiBinary(P + 1)),
        (Box(0, 1, (P,)), MultiBinary(P)),
        (Box(0, 1, (P, F)), Discrete(2)),
        (MultiBinary(P), MultiBinary(P)),
    ],
)
def test_other_spaces_are_refused(observations: Space[Any], actions: Space[Any]) -> None:
    with pytest.raises(ValueError, match=r"^observation_space=.* and action_space=.* are not those of a pool; a Box"):
        PoolPolicy(observations, actions, lambda _: 1e-3)
