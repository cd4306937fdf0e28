"""Small comparisons for the tests of comparing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_select_gym.experiments import Comparison, RunRecord


def keep_hard(observation: NDArray[np.float32]) -> NDArray[np.bool_]:
    return observation[:, 0] >= np.median(observation[:, 0])


POLICIES = {"full": "full", "shortened": "full-equal-cost", "mine": keep_hard, "agent": "data-agent-paper"}


def comparison(out: Path, **changes: Any) -> Comparison:
    values: dict[str, Any] = {
        "env": "DataSelect/Digits-v0",
        "policies": POLICIES,
        "keep_ratios": (0.5,),
        "seeds": 2,
        "out": out,
        "options": {"epochs": 4, "pool_size": 160, "batch_size": 64},
    }
    return Comparison(**(values | changes))


def untimed(runs: Sequence[RunRecord]) -> list[RunRecord]:
    return [replace(run, result=replace(run.result, seconds=0.0, agent_seconds=0.0)) for run in runs]


class Calls:
    """Policies that count how often they are called, and fail or stop as often as they are told to."""

    def __init__(self) -> None:
        self.count = 0
        self.failures = 0
        self.error: BaseException = RuntimeError("the policy has no idea")

    def __call__(self, observation: NDArray[np.float32]) -> NDArray[np.bool_]:
        self.count += 1
        if self.failures:
            self.failures -= 1
            raise self.error
        return keep_hard(observation)
