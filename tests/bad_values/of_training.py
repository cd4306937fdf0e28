"""Bad values for runs, their checkpoints, and rewards."""

from __future__ import annotations

from typing import Any

from data_select_gym.rewards import Price, make_reward
from data_select_gym.tasks.digits import digits
from data_select_gym.training import FunctionCallback, Plan, RunConfig, TrainingRun
from data_select_gym.training.checkpoints import Checkpoints

from .bad import (
    CALLABLE,
    CHOICE,
    COUNT,
    COUNT_FROM_0,
    FLAG,
    FROM_0,
    INF,
    NAN,
    NOT_CALLABLE,
    NOT_COUNTS,
    NOT_COUNTS_FROM_0,
    NOT_FLAGS,
    NOT_NAMED,
    NOT_PATHS,
    NOT_SHARES,
    NOT_SHARES_FROM_0,
    PATH,
    SHARE,
    SHARE_FROM_0,
    Bad,
    Good,
)

GOOD: dict[Any, Good] = {
    Plan: lambda folder: {"samples": 20, "pool_size": 4, "epochs": 4},
    TrainingRun: lambda folder: {"task": digits(epochs=3), "seed": 0, "config": RunConfig(device="cpu")},
    Checkpoints: lambda folder: {"folder": folder},
}


def plan_of(pool_size: Any = 20, config: Any = None) -> Plan:
    return Plan.of(digits(epochs=3), config or RunConfig(pool_size=pool_size))


POOL = "{name}={value} is not a whole number of at least 2 and at most "

TABLE = [
    Bad(Plan, "samples", (*NOT_COUNTS, None, 1), "{name}={value} is not a whole number of at least 2"),
    Bad(Plan, "pool_size", (*NOT_COUNTS, None, 1, 21), POOL + "20"),
    Bad(Plan, "epochs", (*NOT_COUNTS, None), COUNT),
    Bad(
        Plan,
        "epochs",
        (1, 2),
        "{name}={value} with warmup_epochs=1, anneal_fraction=0.125 and schedule_fraction=1.0 leaves no",
    ),
    Bad(Plan, "warmup_epochs", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(
        Plan,
        "warmup_epochs",
        (3, 4),
        "epochs=4 with {name}={value}, anneal_fraction=0.125 and schedule_fraction=1.0 leaves no",
    ),
    Bad(Plan, "anneal_fraction", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(
        Plan,
        "anneal_fraction",
        (0.7, 1.0),
        "warmup_epochs=1, {name}={value} and schedule_fraction=1.0 leaves no step to select",
    ),
    Bad(Plan, "schedule_fraction", (*NOT_SHARES, None), SHARE),
    Bad(Plan, "schedule_fraction", (0.1,), "and {name}={value} leaves no step to select at; use more epochs"),
    Bad(Plan, "fresh", NOT_FLAGS, FLAG, TypeError),
    Bad(Plan, "alignment", NOT_FLAGS, FLAG, TypeError),
    Bad(Plan, "validation_gain", NOT_FLAGS, FLAG, TypeError),
    Bad(Plan, "probed", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(TrainingRun, "task", ("digits", None), "{name}={value} is a {kind}; a Task is needed", TypeError),
    Bad(TrainingRun, "seed", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(plan_of, "config", (64, {"pool_size": 64}), "{name}={value} is a {kind}; a RunConfig is needed", TypeError),
    Bad(plan_of, "pool_size", (*NOT_COUNTS, 1, 1281), POOL + "1280"),
    Bad(RunConfig, "warmup_epochs", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(RunConfig, "anneal_fraction", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(RunConfig, "schedule_fraction", (*NOT_SHARES, None), SHARE),
    Bad(RunConfig, "device", ("abacus", "cpu:cpu", "", None, 0.5), "{name}={value} cannot be used"),
    Bad(RunConfig, "channels_last", NOT_FLAGS, FLAG, TypeError),
    Bad(RunConfig, "compile", NOT_FLAGS, FLAG, TypeError),
    Bad(RunConfig, "on_non_finite", (*NOT_NAMED, None), CHOICE + "stop, skip"),
    Bad(RunConfig, "record", (3, None, True, "embedding"), "{name}={value} is not a set of names", TypeError),
    Bad(RunConfig, "record", (["others"], [3], {"embeddings"}), "is not known; known are: embedding, alignment, "),
    Bad(TrainingRun, "config", (None, {"pool_size": 4}, 4), "{name}={value} is a {kind}; a RunConfig is ", TypeError),
    Bad(TrainingRun, "plan", (4, {"pool_size": 4}), "{name}={value} is a {kind}; a Plan is needed", TypeError),
    Bad(TrainingRun, "callbacks", ([print], [None]), "{name}=", TypeError),
    Bad(FunctionCallback, "function", (*NOT_CALLABLE, None), CALLABLE, TypeError),
    Bad(Checkpoints, "folder", (*NOT_PATHS, None), PATH, TypeError),
    Bad(Checkpoints, "minutes", (-0.1, NAN, INF, True, "1", [1]), FROM_0),
    Bad(Checkpoints, "steps", NOT_COUNTS, COUNT),
    Bad(make_reward, "reward", (3, None, ["difficulty"]), "{name}={value} is not a name, a mapping", TypeError),
    Bad(make_reward, "reward", ("praise", ""), CHOICE + "difficulty, uncertainty, composite, alignment, priced-"),
    Bad(make_reward, "reward", ({},), "{name}={value} is empty; it needs a weight for one of: difficulty"),
    Bad(make_reward, "reward", ({"praise": 1.0},), "{name}='praise' is not known"),
    Bad(make_reward, "reward", ({"difficulty": NAN},), "{name}['difficulty']=nan is not a finite number"),
    Bad(make_reward, "reward", ({"difficulty": "much"},), "{name}['difficulty']='much' is not a finite number"),
    Bad(Price, "keep_ratio", (*NOT_SHARES, None), SHARE),
]
