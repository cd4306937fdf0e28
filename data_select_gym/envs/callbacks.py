"""Callbacks of an environment: code that it calls during its runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from data_select_gym.deprecation import warn_renamed
from data_select_gym.training import FunctionCallback, RunCallback
from data_select_gym.training.callbacks import CallbackList

# A DataSelectEnv and a TrainingRun. Naming them here would make modules import each other.
Env: TypeAlias = Any
Run: TypeAlias = Any


class EnvCallback(RunCallback):
    """A callback that the environment also calls after resets and steps. Derive from it and override what you need.

    A plain :class:`~data_select_gym.training.RunCallback` knows the model, the pool and what was kept of it, but no
    rewards.
    """

    def on_reset_end(self, env: Env, info: dict[str, Any]) -> None:
        """Called at the end of ``reset``, after the warm-up epochs.

        Without warm-up epochs, and when a run resumes between two steps, it comes before ``on_run_begin``.

        Args:
            env: the :class:`~data_select_gym.envs.DataSelectEnv`.
            info: as ``reset`` returns it.
        """

    def on_step_end(self, env: Env, reward: float, info: dict[str, Any]) -> None:
        """Called at the end of each ``step``; at the end of the last one the run is over.

        Args:
            env: the :class:`~data_select_gym.envs.DataSelectEnv`.
            reward: of the step.
            info: as ``step`` returns it.
        """


class EnvCallbackList(CallbackList, EnvCallback):
    """Callbacks of an environment and its runs."""

    def on_reset_end(self, env: Env, info: dict[str, Any]) -> None:
        for callback in self._of_env():
            callback.on_reset_end(env, info)

    def on_step_end(self, env: Env, reward: float, info: dict[str, Any]) -> None:
        for callback in self._of_env():
            callback.on_step_end(env, reward, info)

    def _of_env(self) -> list[EnvCallback]:
        return [callback for callback in self if isinstance(callback, EnvCallback)]


class Heard:
    """What has callbacks: the part of an environment that keeps them."""

    def __init__(self) -> None:
        self._callbacks = EnvCallbackList()

    @property
    def callbacks(self) -> list[RunCallback]:
        """What each run calls, in this order: :class:`RunCallback` and :class:`~data_select_gym.envs.EnvCallback`."""
        return self._callbacks

    @callbacks.setter
    def callbacks(self, callbacks: Iterable[RunCallback]) -> None:
        self._callbacks[:] = CallbackList(callbacks)

    @contextmanager
    def listened_to_by(self, callbacks: Iterable[RunCallback], *, first: bool = False) -> Iterator[None]:
        """Add callbacks within the block, ``first`` or behind those that are there."""
        added = CallbackList(callbacks)
        place = 0 if first else len(self.callbacks)
        self.callbacks[place:place] = added
        try:
            yield
        finally:
            # By identity, since others may compare equal; and some may have been removed within the block.
            for callback in added:
                places = [place for place, each in enumerate(self.callbacks) if each is callback]
                if places:
                    del self.callbacks[places[0 if first else -1]]

    @property
    def on_pool(self) -> Callable[[Run], object] | None:
        """The function that was set to be called after every pool; deprecated, use :attr:`callbacks`."""
        return next((each.function for each in self.callbacks if isinstance(each, OnPool)), None)

    @on_pool.setter
    def on_pool(self, function: Callable[[Run], object] | None) -> None:
        warn_renamed("env.on_pool = f", "env.callbacks.append(FunctionCallback(f))")
        self.callbacks = [each for each in self.callbacks if not isinstance(each, OnPool)]
        if function is not None:
            self.callbacks.append(OnPool(function))


class OnPool(FunctionCallback):
    """What ``env.on_pool`` was set to."""
