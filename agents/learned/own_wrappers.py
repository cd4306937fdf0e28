"""Wrappers around a model's environment: which may be left out when the model serves as a policy."""

from __future__ import annotations

from abc import ABC
from typing import Any

import gymnasium as gym
from gymnasium.wrappers import FlattenObservation
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecCheckNan,
    VecEnv,
    VecEnvWrapper,
    VecMonitor,
    VecNormalize,
    VecVideoRecorder,
)

from data_select_gym.envs import KeepRatioChoice, ScoreAction
from data_select_gym.envs.wrapper_checks import BESIDE, changes_only_rewards

# Exactly these classes, since a subclass may do anything.
LOOKING_ON: tuple[type[VecEnvWrapper], ...] = (VecCheckNan, VecMonitor, VecVideoRecorder)
# A policy does what these do, or refuses an environment in which it cannot.
DONE: tuple[type[gym.Wrapper[Any, Any, Any, Any]], ...] = (FlattenObservation, KeepRatioChoice, ScoreAction)


class LeftOut(ABC):  # noqa: B024 (no class is derived from it)
    """Any wrapper whose effect would be missing when the model serves as a policy.

    A virtual base class, since an environment in another process only answers whether wrappers are of a class.
    """

    @classmethod
    def __subclasshook__(cls, kind: type) -> bool:
        return issubclass(kind, gym.Wrapper) and kind not in BESIDE + DONE and not changes_only_rewards(kind)


def check_own_wrappers(model: BaseAlgorithm) -> None:
    """Check that a model sees and does the same as a policy as in its environment, if it has one.

    Raises:
        ValueError: a wrapper of the environment would be left out, or it is unknown what it does.
    """
    lost = list(dict.fromkeys(left_out(model.get_env())))
    if lost:
        may = sorted(kind.__name__ for kind in LOOKING_ON + BESIDE + DONE)
        raise ValueError(
            f"model={model!r}: {' and '.join(lost)} would be left out when the model serves as a policy, with all that "
            "it does; let the model learn without it, or give as the policy a function that does what it does and asks "
            f"the model. What may stay is {', '.join(may)}, what changes rewards alone, and one VecNormalize"
        )


def left_out(env: VecEnv | None) -> list[str]:
    """The wrappers that would be left out, in words, from the outside in."""
    kinds: list[type] = []
    while isinstance(env, VecEnvWrapper):
        kinds.append(type(env))
        env = env.venv
    lost = [kind.__name__ for kind in kinds if kind not in (*LOOKING_ON, VecNormalize)]
    if kinds.count(VecNormalize) > 1:
        lost.append("a second VecNormalize")
    if isinstance(env, DummyVecEnv):
        for layer in env.envs:
            while isinstance(layer, gym.Wrapper):
                if isinstance(layer, LeftOut):
                    lost.append(type(layer).__name__)
                layer = layer.env
    elif isinstance(env, SubprocVecEnv) and any(env.env_is_wrapped(LeftOut)):  # type: ignore[arg-type]
        lost.append(f"a wrapper in {env.env_method('__str__', indices=0)[0]}")
    return lost
