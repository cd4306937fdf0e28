"""Wrappers that make other action spaces of the joint view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from data_select_gym.arguments import check_choice, check_share
from data_select_gym.envs.arrays import numeric
from data_select_gym.envs.env import DataSelectEnv
from data_select_gym.rewards import QUALITIES
from data_select_gym.selection import best_share

Env = gym.Env[NDArray[np.float32], NDArray[Any]]


class ScoreAction(gym.ActionWrapper[NDArray[np.float32], NDArray[Any], NDArray[Any]], RecordConstructorArgs):
    """Scores ``Box(0, 1, (P,))`` as actions: the ``keep_ratio`` share with the highest is kept.

    For algorithms with continuous actions, such as SAC, TD3 and DDPG.

    Example:
        >>> env = ScoreAction(gym.make("DataSelect/Digits-v0"))
        >>> env.action_space
        Box(0.0, 1.0, (128,), float32)
    """

    def __init__(self, env: Env) -> None:
        """Wrap ``env``.

        Raises:
            TypeError: ``env`` is not a :class:`DataSelectEnv`, wrapped or not.
        """
        self.joint = unwrap(env)
        RecordConstructorArgs.__init__(self)
        gym.ActionWrapper.__init__(self, env)
        self.action_space = Box(0.0, 1.0, (self.joint.plan.pool_size,), dtype=np.float32)

    def action(self, action: NDArray[Any]) -> NDArray[Any]:
        """The keep mask of scores ``(P,)``; their loss weights, with ``rescale_loss``.

        Raises:
            ValueError: the scores are of another shape, or not in [0, 1].
        """
        scores = numeric("action", action, self.joint.plan.pool_size, most=1)
        return self.joint.keep_best(torch.from_numpy(scores)).numpy()


class KeepRatioChoice(gym.ActionWrapper[NDArray[np.float32], Any, NDArray[Any]], RecordConstructorArgs):
    """A choice among a few keep ratios as actions, ``Discrete``: the share with the highest recorded quality is kept.

    For algorithms with discrete actions, such as DQN.

    Example:
        >>> env = KeepRatioChoice(gym.make("DataSelect/Digits-v0"), ratios=(0.25, 0.5, 1.0))
        >>> env.action_space
        Discrete(3)
    """

    def __init__(
        self, env: Env, ratios: Sequence[float] = (0.1, 0.3, 0.5, 0.7, 1.0), quality: str = "composite"
    ) -> None:
        """Wrap ``env``.

        Args:
            env: the environment.
            ratios: the keep ratios to choose from, each in (0, 1].
            quality: what candidates are ranked by: ``"difficulty"``, ``"uncertainty"`` or ``"composite"``.

        Raises:
            TypeError: ``env`` is not a :class:`DataSelectEnv`, wrapped or not; or ``ratios`` is no sequence.
            ValueError: there are no ratios, one is out of its range, or the quality is unknown.
        """
        self.joint = unwrap(env)
        RecordConstructorArgs.__init__(self, ratios=ratios, quality=quality)
        gym.ActionWrapper.__init__(self, env)
        if not isinstance(ratios, Iterable):
            raise TypeError(f"ratios={ratios!r} is not a sequence of numbers")
        self.ratios = tuple(check_share("ratios", ratio) for ratio in ratios)
        if not self.ratios:
            raise ValueError(f"ratios={ratios!r} is empty; at least one keep ratio is needed")
        self.quality = QUALITIES[check_choice("quality", quality, QUALITIES)]
        self.action_space = Discrete(len(self.ratios))

    def action(self, action: Any) -> NDArray[np.bool_]:
        """The keep mask of a choice.

        Raises:
            ResetNeeded: there is no run.
            ValueError: it is not the number of one of the ratios.
        """
        if not self.action_space.contains(action):
            raise ValueError(f"action={action!r} is not a whole number from 0 to {len(self.ratios) - 1}")
        recorded = self.joint.run.read_pool()
        quality, _ = self.quality(recorded)(recorded)
        return best_share(quality, self.ratios[int(action)], self.joint.pool_labels).cpu().numpy()


def unwrap(env: Env) -> DataSelectEnv:
    """The :class:`DataSelectEnv` within wrappers.

    Raises:
        TypeError: there is none.
    """
    joint = env.unwrapped if isinstance(env, gym.Env) else env
    if not isinstance(joint, DataSelectEnv):
        raise TypeError(f"env={env!r} is not a DataSelectEnv, wrapped or not")
    return joint
