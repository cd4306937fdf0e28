"""Keyword arguments and attributes of a run of version 0.1, which still work for one release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any

from data_select_gym.arguments import check_callable, check_flag, unexpected
from data_select_gym.deprecation import warn_renamed
from data_select_gym.training.callbacks import FunctionCallback, RunCallback
from data_select_gym.training.config import RunConfig

# Flags that are names in RunConfig.record.
FLAGS = {
    "embeddings": "embedding",
    "alignment": "alignment",
    "validation_gain": "validation_gain",
    "fresh": "fresh",
}
RENAMED = {"length": "schedule_fraction"}
# Where attributes are now.
MOVED = {
    "trained": "costs.trained",
    "forwarded": "costs.forwarded",
    "tokens": "costs.tokens",
    "charge": "costs.charge",
    "batch_size": "loader.batch_size",
    "threads": "computing.threads",
    "clock": "timer",
    "compile": "config.compile",
}


def old_attribute(run: object, name: str) -> Any:
    """What an attribute of a run of version 0.1 is now, with a warning.

    Raises:
        AttributeError: there was none of this name.
    """
    if name not in MOVED:
        raise AttributeError(f"{type(run).__name__!r} object has no attribute {name!r}")
    warn_renamed(f"TrainingRun.{name}", f"TrainingRun.{MOVED[name]}")
    return attrgetter(MOVED[name])(run)


def take_old_keywords(config: RunConfig, given: Mapping[str, Any]) -> tuple[RunConfig, list[RunCallback]]:
    """Read the keyword arguments that ``TrainingRun`` had in version 0.1, and warn of each.

    Args:
        config: that they change.
        given: the arguments by name.

    Returns:
        The changed config and the callbacks that stand for ``on_pool``.

    Raises:
        TypeError: one was no argument in version 0.1 either, or is of the wrong type.
        ValueError: one is out of its range.
    """
    known = {field.name for field in fields(RunConfig)} - {"record"} | {*FLAGS, *RENAMED, "on_pool"}
    if not given.keys() <= known:
        raise unexpected(sorted(given.keys() - known), "settings of a run are fields of RunConfig", known)
    changes: dict[str, Any] = {}
    record, callbacks = set(config.record), list[RunCallback]()
    for name, value in given.items():
        if name == "on_pool":
            new = "TrainingRun(callbacks=[FunctionCallback(...)])"
            if value is not None:
                callbacks.append(FunctionCallback(check_callable(name, value)))
        elif name in FLAGS:
            new = f"RunConfig(record={{{FLAGS[name]!r}}})"
            (record.add if check_flag(name, value) else record.discard)(FLAGS[name])
        else:
            new = f"RunConfig({RENAMED.get(name, name)}=...)"
            changes[RENAMED.get(name, name)] = value
        warn_renamed(f"TrainingRun({name}=...)", new)
    return replace(config, **changes, record=record), callbacks
