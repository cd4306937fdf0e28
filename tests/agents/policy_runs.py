"""Short runs driven by a policy, for the tests of policies."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_select_gym.agents import Policy, RunResult, make_env, make_policy, run_policy
from data_select_gym.envs import DataSelectEnv, as_base_env

P, STEPS = 64, 20  # a run of three epochs selects in the second of them, of each pool in two minibatches at most


def digits(policy: Policy | None = None, **options: Any) -> DataSelectEnv:
    options = {"epochs": 3, "pool_size": P, "batch_size": 32} | options
    if policy is None:
        return as_base_env("DataSelect/Digits-v0", **options)
    return make_env(policy, "DataSelect/Digits-v0", **options)


def run(policy: Any, seed: int = 0, **options: Any) -> RunResult:
    made = make_policy(policy)
    return run_policy(made, digits(made, **options), seed)


def untimed(result: RunResult) -> RunResult:
    return replace(result, seconds=0.0, agent_seconds=0.0)


def first_half(observation: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.arange(len(observation)) < len(observation) // 2
