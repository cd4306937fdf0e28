"""TensorBoard curves of runs, a folder a run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from data_select_gym.envs.profile import StepProfiler
from data_select_gym.envs.step_info import costs, skipped
from data_select_gym.training import TrainingRun

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class CurvesWarning(UserWarning):
    """Curves cannot be written; training goes on without them."""


class RunWriter:
    """Writes the curves of one run, and a trace of its steps; the horizontal axis is the number of pools shown.

    Where they cannot be written, since the disk is full or gone, a :class:`CurvesWarning` says so once, and nothing is
    written any more.

    Attributes:
        writer: of TensorBoard; None if nothing is written.
        folder: name of the folder; None if nothing is written.
        tracer: of steps; None without one.
    """

    def __init__(self, parent: str | Path | None, folder: str | None = None, run: TrainingRun | None = None) -> None:
        """Open a folder ``run_<k>`` within ``parent``, k the first number that is free; write nothing if None.

        Args:
            parent: where the folder is made.
            folder: of a run that goes on, whose curves go on there; what it wrote beyond where it goes on is purged.
            run: that goes on.
        """
        self.parent = parent
        self.evaluations = 0
        self.writer: SummaryWriter | None = None
        self.tracer: StepProfiler | None = None
        self.folder = folder
        if parent is None:
            return
        with self._warning():
            self._open(Path(parent), run)

    def _open(self, parent: Path, run: TrainingRun | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        if self.folder is None or run is None or not (parent / self.folder).is_dir():
            self.folder = make_folder(parent).name
            self.writer = SummaryWriter(str(parent / self.folder))
            return
        self.evaluations = len(run.evaluations)
        self.writer = SummaryWriter(str(parent / self.folder), purge_step=run.pool_number + 1)

    @contextmanager
    def _warning(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.writer = None
            warnings.warn(f"curves cannot be written: {error}; training goes on without", CurvesWarning, stacklevel=4)

    def trace(self, run: TrainingRun) -> None:
        """Also trace steps of ``run``, of which there will be a call of :meth:`write` each."""
        if self.writer is not None and self.parent is not None and self.folder is not None:
            self.tracer = StepProfiler(Path(self.parent) / self.folder, run)

    def write(self, run: TrainingRun, pool_number: int, values: dict[str, float], seconds: float) -> None:
        """Write what a step gave at ``pool_number``, where the run is, and its evaluations that are new.

        Args:
            run: whose curves these are.
            pool_number: how many pools had been shown when the step was over.
            values: by name; they become ``step/<name>``.
            seconds: spent so far, for ``time/seconds``.
        """
        if self.writer is None:
            return
        steps = values | skipped(run) | costs(run)
        scalars = [(f"step/{name}", value, pool_number) for name, value in steps.items()]
        scalars.append(("time/seconds", seconds, pool_number))
        new = run.evaluations[self.evaluations :]
        for evaluation in new:
            pool = round(evaluation.progress * run.plan.total_pools)
            metrics = evaluation.metrics() | {"cost": evaluation.cost}
            scalars.extend((f"eval/{name}", value, pool) for name, value in metrics.items())
        if new:
            scalars.extend((f"time/{part}", value, pool_number) for part, value in run.seconds_by_part.items())
        with self._warning():
            for tag, value, pool in scalars:
                self.writer.add_scalar(tag, value, pool)
            if self.tracer is not None:
                self.tracer.step()
        self.evaluations = len(run.evaluations)

    def close(self) -> None:
        """End the trace, flush and close the file; nothing can be written any more."""
        for open_one in (self.tracer, self.writer):
            if open_one is not None:
                with self._warning():
                    open_one.close()
        self.writer = self.tracer = None


def make_folder(parent: Path) -> Path:
    """Make the first folder ``run_<k>`` within ``parent`` that is not there yet."""
    number = 1
    while True:
        try:
            (parent / f"run_{number}").mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return parent / f"run_{number}"
