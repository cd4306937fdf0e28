"""Wrappers that make other action spaces of the joint view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from data_select_gym.envs.action_forms import KEEP_RATIOS, KeepRatios, Scores
from data_select_gym.envs.env import DataSelectEnv

Env = gym.Env[NDArray[np.float32], NDArray[Any]]


class ScoreAction(gym.ActionWrapper[NDArray[np.float32], NDArray[Any], NDArray[Any]], RecordConstructorArgs):
    """Scores ``Box(0, 1, (P,))`` as actions: the ``keep_ratio`` share with the highest is kept.

    For algorithms with continuous actions, such as SAC, TD3 and DDPG. ``gym.make(id, action="scores")`` is the same.

    Example:
        >>> env = ScoreAction(gym.make("DataSelect/Digits-v0"))
        >>> env.action_space
        Box(0.0, 1.0, (128,), float32)
    """

    def __init__(self, env: Env) -> None:
        """Wrap ``env``.

        Raises:
            TypeError: ``env`` is not a :class:`DataSelectEnv`, wrapped or not.
            ValueError: it takes actions of another form than masks.
        """
        self.joint = unwrap(env)
        RecordConstructorArgs.__init__(self)
        gym.ActionWrapper.__init__(self, env)
        self.form = Scores(self.joint.plan.pool_size)
        self.action_space = self.form.space

    def action(self, action: NDArray[Any]) -> NDArray[Any]:
        """The keep mask of scores ``(P,)``; their loss weights, with ``rescale_loss``.

        Raises:
            ValueError: the scores are of another shape, or not finite. Those outside [0, 1] are clipped.
        """
        return self.form.weights(self.joint, action)


class KeepRatioChoice(gym.ActionWrapper[NDArray[np.float32], Any, NDArray[Any]], RecordConstructorArgs):
    """A choice among a few keep ratios as actions, ``Discrete``: the share with the highest recorded quality is kept.

    For algorithms with discrete actions, such as DQN. ``gym.make(id, action="keep-ratio")`` is the same, with the
    ratios and the quality that are the defaults here.

    Example:
        >>> env = KeepRatioChoice(gym.make("DataSelect/Digits-v0"), ratios=(0.25, 0.5, 1.0))
        >>> env.action_space
        Discrete(3)
    """

    def __init__(self, env: Env, ratios: Sequence[float] = KEEP_RATIOS, quality: str = "composite") -> None:
        """Wrap ``env``.

        Args:
            env: the environment.
            ratios: the keep ratios to choose from, each in (0, 1].
            quality: what candidates are ranked by: ``"difficulty"``, ``"uncertainty"`` or ``"composite"``.

        Raises:
            TypeError: ``env`` is not a :class:`DataSelectEnv`, wrapped or not; or ``ratios`` is no sequence.
            ValueError: there are no ratios, one is out of its range, or the quality is unknown; or ``env`` takes
                actions of another form than masks.
        """
        self.joint = unwrap(env)
        RecordConstructorArgs.__init__(self, ratios=ratios, quality=quality)
        gym.ActionWrapper.__init__(self, env)
        self.form = KeepRatios(ratios, quality)
        self.action_space = self.form.space

    def action(self, action: Any) -> NDArray[Any]:
        """The keep mask of a choice.

        Raises:
            ResetNeeded: there is no run.
            ValueError: it is not the number of one of the ratios.
        """
        return self.form.weights(self.joint, action)


def unwrap(env: Env) -> DataSelectEnv:
    """The :class:`DataSelectEnv` within wrappers, which takes masks.

    Raises:
        TypeError: there is none.
        ValueError: it takes actions of another form, or a wrapper does.
    """
    joint = env.unwrapped if isinstance(env, gym.Env) else env
    if not isinstance(joint, DataSelectEnv):
        raise TypeError(f"env={env!r} is not a DataSelectEnv, wrapped or not")
    if joint.action != "mask":
        raise ValueError(f"env={env!r} was made with action={joint.action!r}; one that takes masks is needed")
    if env.action_space != joint.action_space:
        raise ValueError(
            f"env={env!r} takes actions in {env.action_space}; one that takes masks, {joint.action_space}, is needed, "
            "since what it is given here are masks"
        )
    return joint
