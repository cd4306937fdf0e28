"""Short runs driven by a policy, for the tests of policies."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_select_gym.agents import Policy, RunResult, drive, make_env, make_policy
from data_select_gym.envs import DataSelectEnv, make_joint

P, STEPS = 64, 20  # a run of three epochs selects in the second of them


def digits(policy: Policy | None = None, **options: Any) -> DataSelectEnv:
    options = {"epochs": 3, "pool_size": P} | options
    if policy is None:
        return make_joint("DataSelect/Digits-v0", **options)
    return make_env(policy, "DataSelect/Digits-v0", **options)


def run(policy: Any, seed: int = 0, **options: Any) -> RunResult:
    made = make_policy(policy)
    return drive(made, digits(made, **options), seed)


def untimed(result: RunResult) -> RunResult:
    return replace(result, seconds=0.0, agent_seconds=0.0)


def first_half(observation: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.arange(len(observation)) < len(observation) // 2
