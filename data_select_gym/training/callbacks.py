"""Callbacks: code that a run calls at its beginning, after each pool, after each evaluation and at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from data_select_gym.arguments import check_callable, check_kind
from data_select_gym.training.evaluator import Evaluation
from data_select_gym.training.record import StepRecord

# A TrainingRun. Naming it here would make the two modules import each other.
Run: TypeAlias = Any


class RunCallback:
    """What a run calls as it goes. Derive from it and override what you need; its own methods do nothing.

    A callback may read all of the run. It must not train it or draw from its generators.

    An error that it raises reaches the caller of the method that trains, such as ``step``. The callbacks behind it are
    not called. After ``on_run_begin`` the pool has been trained on by then, but an environment has not yet counted the
    step; it has before ``on_step_end``. The run is not marked as over: begin a new one or load a checkpoint instead of
    going on with it.

    Example:
        >>> from data_select_gym.tasks import make_task
        >>> from data_select_gym.training import RunCallback, TrainingRun
        >>> class Printer(RunCallback):
        ...     def on_pool_end(self, run, record):
        ...         if record is not None:
        ...             print(f"step {run.pool_number}: kept {record.kept.float().mean():.2f}")
        >>> run = TrainingRun(make_task("digits", epochs=3), seed=0, callbacks=[Printer()])
        >>> run.warm_up()
        >>> _ = run.step(run.pool % 2 == 0)
        step 11: kept 0.47
    """

    def on_run_begin(self, run: Run) -> None:
        """Called before the first pool is trained on, also when the run goes on from a checkpoint.

        A run of an environment without warm-up epochs, or one that resumes between two steps, trains its first pool in
        ``step``. So this comes after ``reset`` there.

        Args:
            run: the :class:`TrainingRun`.
        """

    def on_pool_end(self, run: Run, record: StepRecord | None) -> None:
        """Called after every pool, also those of the warm-up and annealing epochs, and after the evaluation if one ran.

        Args:
            run: the :class:`TrainingRun`.
            record: of a selection step; None for a pool that was trained in full.
        """

    def on_evaluation(self, run: Run, evaluation: Evaluation) -> None:
        """Called after every evaluation, at the end of each epoch.

        Args:
            run: the :class:`TrainingRun`.
            evaluation: the newest of ``run.evaluations``.
        """

    def on_run_end(self, run: Run) -> None:
        """Called after the last pool, when ``run.quality`` is known. A run that an error ends does not call it.

        Args:
            run: the :class:`TrainingRun`.
        """


class CallbackList(list[RunCallback], RunCallback):
    """Callbacks, called in their order. One may remove itself, or add others for the next call."""

    def __init__(self, callbacks: Iterable[RunCallback] = ()) -> None:
        """Check that each is a callback.

        Raises:
            TypeError: one is not, or they are not in a sequence.
        """
        check_kind("callbacks", callbacks, Iterable)
        super().__init__(check_kind("callbacks", callback, RunCallback) for callback in callbacks)

    def on_run_begin(self, run: Run) -> None:
        """Call each."""
        for callback in [*self]:
            callback.on_run_begin(run)

    def on_pool_end(self, run: Run, record: StepRecord | None) -> None:
        """Call each."""
        for callback in [*self]:
            callback.on_pool_end(run, record)

    def on_evaluation(self, run: Run, evaluation: Evaluation) -> None:
        """Call each."""
        for callback in [*self]:
            callback.on_evaluation(run, evaluation)

    def on_run_end(self, run: Run) -> None:
        """Call each."""
        for callback in [*self]:
            callback.on_run_end(run)


class FunctionCallback(RunCallback):
    """Calls a function with the run after every pool.

    Example:
        >>> from data_select_gym.training import FunctionCallback
        >>> callback = FunctionCallback(lambda run: print(f"{run.progress:.0%}"))
    """

    def __init__(self, function: Callable[[Run], object]) -> None:
        self.function = check_callable("function", function)

    def on_pool_end(self, run: Run, record: StepRecord | None) -> None:
        self.function(run)
