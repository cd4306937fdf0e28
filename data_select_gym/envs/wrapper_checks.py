"""Which wrappers may stay around an environment that is read or stepped directly."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import (
    HumanRendering,
    NormalizeReward,
    OrderEnforcing,
    PassiveEnvChecker,
    RecordEpisodeStatistics,
    RecordVideo,
    RenderCollection,
    TimeLimit,
)
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

# Nothing is lost if these are bypassed.
CHECKS: tuple[type[gym.Wrapper[Any, Any, Any, Any]], ...] = (PassiveEnvChecker, OrderEnforcing)
# These pass everything on unchanged. What they record or show is lost unless steps go through them.
RECORDERS: tuple[type[gym.Wrapper[Any, Any, Any, Any]], ...] = (
    HumanRendering,
    Monitor,
    RecordEpisodeStatistics,
    RecordVideo,
)
# Agents see and do the same without these.
BESIDE = (*CHECKS, *RECORDERS, NormalizeReward, RenderCollection, TimeLimit)
ADDED_BY: dict[type, str] = {
    TimeLimit: ", which max_episode_steps adds",
    RenderCollection: ", which a render_mode that ends in '_list' adds",
}


class Scores(np.ndarray[Any, Any]):
    """Scores that pass through wrappers to an environment whose actions are masks."""


def check_wrappers(env: object, made: gym.Env[Any, Any], *, recorders: bool) -> None:
    """Check that all wrappers around an environment may stay where the environment itself is stepped.

    Args:
        env: as it was given.
        made: the environment, wrapped or not.
        recorders: whether steps go through the wrappers, so that those that record may stay.

    Raises:
        ValueError: another wrapper would be bypassed, whether or not its effect is known.
    """
    kinds: list[type] = []
    while isinstance(made, gym.Wrapper):
        kinds.append(type(made))
        made = made.env
    # By the class itself, since a subclass may do anything.
    known = CHECKS + RECORDERS if recorders else CHECKS
    lost = [kind for kind in kinds if kind not in known]
    if lost:
        names = " and ".join(kind.__name__ + ADDED_BY.get(kind, "") for kind in lost)
        among = " (SamplewiseVecEnv takes those that record)" if {*lost} & {*RECORDERS} else ""
        raise ValueError(
            f"env={env!r}: {names} would be left out here, with all that it does; give the environment without it. "
            f"What may stay is {', '.join(sorted(kind.__name__ for kind in known))}{among}"
        )


def changes_only_rewards(kind: type[gym.Wrapper[Any, Any, Any, Any]]) -> bool:
    """Whether wrappers of a kind, maybe a user's, change nothing but rewards."""
    # Gymnasium's passes the rest on, unless a subclass overrides reset or step.
    if not issubclass(kind, gym.RewardWrapper):
        return False
    return kind.step is gym.RewardWrapper.step and kind.reset is gym.RewardWrapper.reset


def outermost(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """The outermost wrapper that records, which steps must go through; the environment itself if there is none."""
    layer = env
    while isinstance(layer, gym.Wrapper):
        if type(layer) in RECORDERS:
            return layer
        layer = layer.env
    return layer


def only_environment(env: VecEnv) -> gym.Env[Any, Any]:
    """The environment of a ``DummyVecEnv`` with a single one.

    Raises:
        TypeError: it is another vector environment, or has more of them.
    """
    if type(env) is not DummyVecEnv or env.num_envs != 1:
        raise TypeError(
            f"env={env!r:.100} is a {type(env).__name__} of {env.num_envs}; of vector environments a DummyVecEnv of "
            "one environment can be seen by slots, and wrappers of vector environments go around the slots"
        )
    return env.envs[0]
