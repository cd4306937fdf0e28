"""Stable-Baselines3's off-policy algorithms for slots: exploration by slot, and rewards relative to the kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise


class SlotExploration:
    """Mixin: each slot explores independently, where the algorithm would toss one coin for all slots."""

    action_space: Any
    exploration_rate: float

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Greedy actions, ``(n,)``, each replaced by a random one with probability ``exploration_rate``."""
        actions, state = super().predict(observation, state, episode_start, deterministic=True)  # type: ignore[misc]
        if not deterministic and np.ndim(actions):
            explore = np.random.rand(len(actions)) < self.exploration_rate
            actions[explore] = np.random.randint(self.action_space.n, size=int(explore.sum()))
        return actions, state


class SlotDQN(SlotExploration, DQN):
    """DQN in which each slot explores independently."""


class SlotNoise(VectorizedActionNoise):
    """Gaussian noise on the scores of all slots in one draw; the parent draws one slot at a time.

    A model loaded for another pool size needs a new one:
    ``TD3.load(path, env, action_noise=SlotNoise(0.1, P))``.
    """

    def __init__(self, sigma: float, slots: int) -> None:
        """Noise of standard deviation ``sigma`` for ``slots`` scores."""
        super().__init__(NormalActionNoise(np.zeros(1), np.full(1, sigma)), slots)
        self.sigma = sigma

    def __call__(self) -> NDArray[np.float32]:
        """Noise, float32 ``(slots, 1)``."""
        return np.random.normal(0.0, self.sigma, size=(self.n_envs, 1)).astype(np.float32)


class CentredReplayBuffer(ReplayBuffer):
    """Stores the rewards of the kept minus their mean at that step; for scores, of which a fixed share is kept.

    A reward that all kept samples share only teaches to raise or lower all scores, which does not change what is kept.
    Without entropy to hold them, the scores end at 0 or 1, where nothing can be learned.
    """

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Store a step of all slots."""
        kept = infos[-1]["kept"]
        if kept.any():
            reward = np.where(kept, reward - reward[kept].mean(), reward)
        super().add(obs, next_obs, action, reward, done, infos)
