"""Runs seen by slots for the tests of the vector view, and the joint ones they are held against."""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import data_select_gym  # noqa: F401
from data_select_gym.envs import DataSelectEnv, SamplewiseVectorEnv

P = 64
OPTIONS: dict[str, Any] = {"epochs": 3, "batch_size": 32, "device": "cpu"}
STEPS = 20


def slots(**options: Any) -> SamplewiseVectorEnv:
    made = gym.make_vec("DataSelect/DigitsSamplewise-v0", num_envs=P, **OPTIONS | options)
    assert isinstance(made, SamplewiseVectorEnv)
    return made


def joint(**options: Any) -> DataSelectEnv:
    return DataSelectEnv("digits", pool_size=P, **OPTIONS | options)


def actions_of(kind: str, number: int) -> NDArray[Any]:
    generator = np.random.default_rng(number)
    return generator.integers(2, size=P) if kind == "keep" else generator.random(P, dtype=np.float32)


def gathered(infos: dict[str, Any]) -> dict[str, Any]:
    """The joint info that vector infos were spread from; every slot must have the same of what is not its own."""
    info = {}
    for name, value in infos.items():
        if name.startswith("_"):
            assert value.dtype == bool
            assert value.tolist() == [True] * P
        elif isinstance(value, dict):
            assert f"_{name}" in infos
            info[name] = gathered(value)
        else:
            assert f"_{name}" in infos
            assert value.shape == (P,)
            own = name in ("indices", "pool_indices", "kept", "sample_rewards")
            assert own or len(set(value.tolist())) == 1
            info[name] = value if own else value[0]
    return info
