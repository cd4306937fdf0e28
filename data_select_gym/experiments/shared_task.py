"""The task of a comparison, opened once in a process."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import gymnasium as gym

from data_select_gym.envs import DataSelectEnv, as_base_env
from data_select_gym.envs.config import ARGUMENTS


class SharedTask:
    """Makes the environments of a comparison; all of them share one task, so that the data is read once.

    A task never changes, so runs that share one are bit-identical to runs that each open their own.

    Attributes:
        env: an environment with the comparison's options, which is never run.
    """

    def __init__(self, env_id: str, arguments: Mapping[str, Any]) -> None:
        """Open the task.

        Args:
            env_id: id of the environment.
            arguments: of an environment with the comparison's options.

        Raises:
            Exception: the environment cannot be made.
        """
        self.env = as_base_env(env_id, **arguments)
        self._env_id = env_id
        self._options = _of_task(arguments)
        self._spec = None
        # A subclass may take arguments that only it knows to be the environment's or the task's.
        if type(self.env) is DataSelectEnv and self.env.spec is not None:
            self._spec = copy(self.env.spec)
            registered = {name: value for name, value in self._spec.kwargs.items() if name not in arguments}
            self._spec.kwargs = {name: value for name, value in registered.items() if name in ARGUMENTS}

    def make_env(self, arguments: Mapping[str, Any]) -> DataSelectEnv:
        """An environment; it opens a task of its own if a policy needs other options of the task."""
        options = _of_task(arguments)
        if self._spec is None or not _same(options, self._options):
            return as_base_env(self._env_id, **arguments)
        rest = {name: value for name, value in arguments.items() if name not in options}
        return as_base_env(gym.make(self._spec, **(rest | {"task": self.env.regimes.base})))


def _of_task(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in ARGUMENTS}


def _same(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other)
    # Arrays compare by element, and a user's objects as they like.
    except Exception:
        return False
