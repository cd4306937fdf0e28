"""Pickling of an environment's arguments, whatever they are."""

from __future__ import annotations

from typing import Any

import cloudpickle


def pickle_arguments(arguments: dict[str, Any], task_options: dict[str, Any], spec: Any) -> bytes:
    """Pickle the arguments of an environment as they were given, functions that cannot be imported included.

    Raises:
        TypeError: one cannot be pickled.
    """
    try:
        pickled: bytes = cloudpickle.dumps((arguments, task_options, spec))
        return pickled
    # Objects may raise errors of any kind.
    except Exception as error:
        given = arguments | task_options
        name = next((name for name, value in given.items() if not _fits(value)), "spec")
        raise TypeError(
            f"{name}={given.get(name, spec)!r:.100} cannot be pickled ({error}), and so the environment cannot; give "
            "the task as 'module:function' or as a function that makes it"
        ) from error


def _fits(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:
        return False
    return True
