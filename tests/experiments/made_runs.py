"""Runs that were never carried out, for tests of what is told of them."""

from typing import Any

from data_select_gym.agents import RunResult
from data_select_gym.experiments import Failure, RunRecord

NAN = float("nan")

SETTINGS: dict[str, Any] = {
    "env": "DataSelect/Digits-v0",
    "policies": {"full": "full", "random": "random"},
    "keep_ratios": [0.5],
    "costs": [],
    "seeds": 2,
    "options": {"epochs": 4},
    "environments": {},
    "only_in_python": [],
    "jobs": 1,
    "threads": 1,
    "python": "3.10.0",
    "versions": {"torch": "2.4.0"},
}

FAILURE = Failure("random", 0.5, 1, "ValueError: keep has shape (3,)\nand more", "Traceback ...\nValueError: keep")


def result(seed: int = 0, **values: Any) -> RunResult:
    shares = {name: values.pop(name, None) for name in ("mislabelled", "mislabelled_late")}
    for name, of in (("mislabelled", "problems"), ("mislabelled_late", "problems_late")):
        if shares[name] is not None:
            values[of] = {"mislabelled": shares[name]}
    given_values = {
        "quality": 0.9,
        "validation": 0.8,
        "cost": 0.5,
        "keep_fraction": 0.4,
        "episode_return": 1.5,
        "steps": 10,
        "seconds": 2.0,
        "agent_seconds": 0.5,
    }
    return RunResult(seed=seed, **(given_values | values))


def run(policy: str, seed: int = 0, keep_ratio: float = 0.5, **values: Any) -> RunRecord:
    """A run with two evaluations and two steps; other values are of its result."""
    curve = [
        {"epoch": 1.0, "progress": 0.5, "cost": 0.25, "val_accuracy": 0.6},
        {"epoch": 2.0, "progress": 1.0, "cost": 0.5, "val_accuracy": 0.8},
    ]
    return RunRecord(policy, result(seed, **values), curve, [0.4, 0.4], keep_ratio)
