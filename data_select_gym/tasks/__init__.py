"""Tasks: data, models, objectives and recipes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from data_select_gym.arguments import MissingArgumentError, did_you_mean, import_named, unexpected
from data_select_gym.deprecation import deprecated_names
from data_select_gym.task_registry import ORIGINS, TASKS, register_task
from data_select_gym.tasks.data import split
from data_select_gym.tasks.loaders import BatchLoader, LoaderConfig, make_loader
from data_select_gym.tasks.objectives import Classification, Objective
from data_select_gym.tasks.protocol import Batched, Measured, Sliced, Stored
from data_select_gym.tasks.recipe import OneCycle, Recipe, WarmupDecay
from data_select_gym.tasks.regression import Regression
from data_select_gym.tasks.subset import SUBSET_OPTIONS
from data_select_gym.tasks.task import Task
from data_select_gym.tasks.variants import CLASS_OPTIONS, VARIANT_OPTIONS, make_variant

__all__ = [
    "TASKS",
    "BatchLoader",
    "Batched",
    "Classification",
    "LoaderConfig",
    "Measured",
    "MissingArgumentError",
    "Objective",
    "OneCycle",
    "Recipe",
    "Regression",
    "Sliced",
    "Stored",
    "Task",
    "WarmupDecay",
    "make_loader",
    "make_task",
    "register_task",
    "split",
]

__getattr__ = deprecated_names(
    __name__, {"Loading": "LoaderConfig", "Source": "BatchLoader", "open_source": "make_loader"}
)


def make_task(task: str | Task | Callable[..., Task], **options: Any) -> Task:
    """Make a task from a name, a path, a function or a task.

    Args:
        task: a registered name, ``"module:function"``, a function that returns a task, or a task.
        options: arguments of that function. Any task also takes ``samples`` and ``samples_seed``, and a classification
            task the options of label noise and long tails, see
            :func:`~data_select_gym.tasks.variants.make_variant`, unless the function has an argument of that name.

    Raises:
        ValueError: an unknown name, a path that cannot be imported, or an option out of its range.
        MissingArgumentError: a required argument of the function is missing; it is a ``ValueError``.
        TypeError: an unknown option, ``task`` is none of these, or a variant that only classification tasks have.
    """
    return make_task_for((), task, options)


def make_task_for(also: Collection[str], task: str | Task | Callable[..., Task], options: Mapping[str, Any]) -> Task:
    """Make a task for an environment, which takes arguments of its own.

    Args:
        also: names of the environment's arguments, which an error may suggest for an unknown option.
        task: as in :func:`make_task`.
        options: as in :func:`make_task`.

    Raises:
        Exception: as in :func:`make_task`.
    """
    others_take = f"; the environment takes: {', '.join(also)}" if also else ""
    if isinstance(task, Task):
        variant, others = _set_apart(options, ())
        if others:
            built = "a task that is already built takes no options but those of samples, label noise and a long tail: "
            takes = built + ", ".join(VARIANT_OPTIONS) + others_take
            raise unexpected(others, takes, [*VARIANT_OPTIONS, *also])
        return make_variant(task, **variant)
    make = _find(task)
    known = inspect.signature(make).parameters
    variant, others = _set_apart(options, known)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    unknown = [name for name in others if name not in known and not takes_any]
    if unknown:
        takes = (
            f"this task takes: {', '.join(known) or 'none'}, and as any task: {', '.join(SUBSET_OPTIONS)}, and if it "
            f"is one of classification: {', '.join(CLASS_OPTIONS)}{others_take}"
        )
        raise unexpected(unknown, takes, [*known, *VARIANT_OPTIONS, *also])
    needed = [name for name, parameter in known.items() if _is_needed(parameter)]
    # In bundled tasks None for a required argument means that it is missing; a custom task may give it a meaning.
    bundled = isinstance(task, str) and any(task == entry.name for entry in TASKS.bundled())
    missing = [name for name in needed if name not in others or (bundled and others[name] is None)]
    if missing:
        origin = f". {ORIGINS[task]}" if isinstance(task, str) and task in ORIGINS and "data_dir" in missing else ""
        raise MissingArgumentError(
            f"missing argument {', '.join(missing)}; this task takes: {', '.join(known)}{origin}"
        )
    made = make(**others)
    if not isinstance(made, Task):
        raise TypeError(f"task={task!r} returned a {type(made).__name__}; a Task is needed")
    return make_variant(made, **variant)


def _is_needed(parameter: inspect.Parameter) -> bool:
    takes_any = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not takes_any


def _set_apart(options: Mapping[str, Any], taken: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of variants that the task's function does not take itself, and the other options."""
    variant = {name: options[name] for name in VARIANT_OPTIONS if name in options and name not in taken}
    return variant, {name: value for name, value in options.items() if name not in variant}


def _find(task: str | Callable[..., Task]) -> Callable[..., Task]:
    if callable(task):
        return task
    if not isinstance(task, str):
        raise TypeError(f"task={task!r} is not a name, a path, a function or a Task")
    if task in TASKS:
        return TASKS[task]
    if ":" in task:
        found = import_named("task", task)
        if not callable(found):
            raise ValueError(f"task={task!r} is a {type(found).__name__}; a function that returns a Task is needed")
        return found  # type: ignore[no-any-return]
    raise ValueError(
        f"task={task!r} is not known; known are: {', '.join(TASKS)}, or 'module:function'{did_you_mean([task], TASKS)}"
    )
