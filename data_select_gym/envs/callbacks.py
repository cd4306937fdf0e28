"""Callbacks of an environment: code that it calls during its runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from data_select_gym.arguments import check_kind
from data_select_gym.training import Evaluation, RunCallback, StepRecord

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


class CallbackList(EnvCallback):
    """Passes every call on to callbacks, in their order; they may be added and removed during a run.

    Attributes:
        callbacks: those that are called.
    """

    def __init__(self, callbacks: Iterable[RunCallback] = ()) -> None:
        """Pass calls on to ``callbacks``.

        Raises:
            TypeError: they are not in a sequence, or one is no callback.
        """
        check_kind("callbacks", callbacks, Iterable)
        self.callbacks = [check_kind("callbacks", callback, RunCallback) for callback in callbacks]

    def on_run_begin(self, run: Run) -> None:
        for callback in tuple(self.callbacks):
            callback.on_run_begin(run)

    def on_pool_end(self, run: Run, record: StepRecord | None) -> None:
        for callback in tuple(self.callbacks):
            callback.on_pool_end(run, record)

    def on_evaluation(self, run: Run, evaluation: Evaluation) -> None:
        for callback in tuple(self.callbacks):
            callback.on_evaluation(run, evaluation)

    def on_run_end(self, run: Run) -> None:
        for callback in tuple(self.callbacks):
            callback.on_run_end(run)

    def on_reset_end(self, env: Env, info: dict[str, Any]) -> None:
        for callback in self._of_env():
            callback.on_reset_end(env, info)

    def on_step_end(self, env: Env, reward: float, info: dict[str, Any]) -> None:
        for callback in self._of_env():
            callback.on_step_end(env, reward, info)

    def _of_env(self) -> list[EnvCallback]:
        return [callback for callback in self.callbacks if isinstance(callback, EnvCallback)]
