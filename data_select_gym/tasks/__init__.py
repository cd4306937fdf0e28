"""Tasks: data, models, objectives and recipes."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from data_select_gym.arguments import import_named
from data_select_gym.tasks.data import Source, open_source, split
from data_select_gym.tasks.objectives import Classification, Objective
from data_select_gym.tasks.recipe import OneCycle, Recipe, WarmupDecay
from data_select_gym.tasks.task import Task

__all__ = [
    "Classification",
    "Objective",
    "OneCycle",
    "Recipe",
    "Source",
    "Task",
    "WarmupDecay",
    "make_task",
    "open_source",
    "split",
]

BUILT_IN = {"digits": "data_select_gym.tasks.digits", "cifar10": "data_select_gym.tasks.cifar10"}


def make_task(task: str | Task | Callable[..., Task], **options: Any) -> Task:
    """The task that is meant by a name, a path, a function or a task.

    Args:
        task: a built-in name, ``"module:function"``, a function that returns a task, or a task.
        options: arguments of that function.

    Raises:
        ValueError: an unknown name or a path that cannot be imported.
        TypeError: an option that the function does not take, or ``task`` is none of these.
    """
    if isinstance(task, Task):
        if options:
            raise TypeError(f"{', '.join(options)}: a task that is already built takes no options")
        return task
    make = _find(task)
    known = inspect.signature(make).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    unknown = [name for name in options if name not in known and not takes_any]
    if unknown:
        raise TypeError(f"unknown argument {', '.join(unknown)}; this task takes: {', '.join(known) or 'none'}")
    made = make(**options)
    if not isinstance(made, Task):
        raise TypeError(f"task={task!r} returned a {type(made).__name__}; a Task is needed")
    return made


def _find(task: str | Callable[..., Task]) -> Callable[..., Task]:
    if callable(task):
        return task
    if not isinstance(task, str):
        raise TypeError(f"task={task!r} is not a name, a path, a function or a Task")
    if task in BUILT_IN:
        return getattr(importlib.import_module(BUILT_IN[task]), task)  # type: ignore[no-any-return]
    if ":" in task:
        found = import_named("task", task)
        if not callable(found):
            raise ValueError(f"task={task!r} is a {type(found).__name__}; a function that returns a Task is needed")
        return found  # type: ignore[no-any-return]
    raise ValueError(f"task={task!r} is not known; known are: {', '.join(BUILT_IN)}, or 'module:function'")
