"""The samplewise view: every slot of the pool is a sub-environment with its own observation, action and reward.

A *slot* is a place in the pool, from 0 to P - 1. The *joint view* is one agent that acts on the whole pool; the
*samplewise view* gives each slot to one small agent that all slots share. At every step a slot shows another candidate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from data_select_gym.arguments import check_choice, unexpected
from data_select_gym.envs.env import DataSelectEnv
from data_select_gym.envs.wrapper_checks import Scores, check_wrappers, outermost
from data_select_gym.task_registry import TASKS

ACTIONS = ("keep", "score")


class Slots:
    """Translates between the slots of a pool and the environment in the joint view.

    Attributes:
        env: the joint environment.
        count: P, the number of slots.
        observation_space: of one slot, ``Box((F,), float32)``.
        action_space: of one slot: ``Discrete(2)`` for ``"keep"``, ``Box(0, 1, (1,), float32)`` for ``"score"``.
    """

    def __init__(self, env: DataSelectEnv, action: str, through: gym.Env[Any, Any] | None = None) -> None:
        """Give each slot of ``env`` its own observation, action and reward.

        Args:
            env: the joint environment.
            action: ``"keep"`` or ``"score"``.
            through: the wrapper around ``env`` that steps go through; ``env`` itself if None.

        Raises:
            ValueError: ``action`` is not ``"keep"`` or ``"score"``; or ``env`` has another form of actions or flat
                observations.
        """
        self.env = check_pools(env)
        self.through = env if through is None else through
        self.action = check_choice("action", action, ACTIONS)
        self.count = env.plan.pool_size
        joint = env.observation_space
        if not isinstance(joint, Box):
            raise TypeError(f"the observation space is {joint}; a Box of a row for each slot is needed")
        self.observation_space = Box(joint.low[0], joint.high[0], dtype=np.float32)
        self.action_space: Discrete[np.int64] | Box = (
            Discrete(2) if action == "keep" else Box(0.0, 1.0, (1,), dtype=np.float32)
        )

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], float, bool, dict[str, Any]]:
        """Take the slots' actions, ``(P,)`` zeros and ones to keep, or ``(P,)`` or ``(P, 1)`` scores in [0, 1].

        Scores outside are clipped.

        Returns:
            Observations ``(P, F)``, rewards ``(P,)`` of each slot, the joint reward, whether the run has terminated,
            and the joint info.

        Raises:
            ValueError: the actions are of another shape or out of their range.
        """
        given = np.asarray(actions)
        if given.shape == (self.count, 1):
            given = given[:, 0]
        if self.action == "keep":
            wrong = given[(given != 0) & (given != 1)]
            if given.shape == (self.count,) and len(wrong):
                raise ValueError(f"actions holds {wrong.tolist()[0]!r}; each must be 0 (drop) or 1 (keep)")
        else:
            given = given.view(Scores)
        observation, reward, terminated, _, info = self.through.step(given)
        return observation, info["sample_rewards"].copy(), float(reward), terminated, info


def as_base_env(env: str | gym.Env[Any, Any], **options: Any) -> DataSelectEnv:
    """The :class:`DataSelectEnv` of an id, or the one within wrappers that only check.

    Raises:
        TypeError: it is another environment, or options are given for one that is already made.
        ValueError: it is within another wrapper, whose work would be lost; or it was made with another form of actions
            or with flat observations.
    """
    return joint_within(env, options, recorders=False)[1]


def joint_within(
    env: str | gym.Env[Any, Any], options: Mapping[str, Any], *, recorders: bool
) -> tuple[gym.Env[Any, Any], DataSelectEnv]:
    """As :func:`as_base_env`, with the outermost wrapper that steps must go through, if ``recorders`` may stay."""
    if isinstance(env, str):
        TASKS.load()  # so that the ids of plug-ins are known
    given = gym.make(env, **options) if isinstance(env, str) else env
    made = given.unwrapped if isinstance(given, gym.Env) else given
    if not isinstance(made, DataSelectEnv):
        raise TypeError(f"env={env!r} is a {type(made).__name__}; a DataSelectEnv or the id of one is needed")
    check_wrappers(env, given, recorders=recorders)
    if options and not isinstance(env, str):
        raise unexpected(options, "an environment that is already made takes no options")
    return outermost(given), check_pools(made)


def check_pools(env: DataSelectEnv) -> DataSelectEnv:
    """The environment, if it shows pools and takes masks.

    Raises:
        ValueError: it was made with another form of actions, or with flat observations.
    """
    others = {"action": (env.action, "mask"), "flat_observation": (env.flat_observation, False)}
    given = [f"{name}={value!r}" for name, (value, plain) in others.items() if value != plain]
    if given:
        raise ValueError(
            f"the environment was made with {' and '.join(given)}, for agents that act on it directly; here pools are "
            "shown and masks taken, so leave it out"
        )
    return env
