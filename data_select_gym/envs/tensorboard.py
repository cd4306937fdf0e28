"""TensorBoard curves of runs, a folder a run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from data_select_gym.training import Evaluation, TrainingRun

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class CurvesWarning(UserWarning):
    """Curves cannot be written; training goes on without them."""


class RunWriter:
    """Writes the curves of one run; the horizontal axis is the number of pools shown.

    Where they cannot be written, since the disk is full or gone, a :class:`CurvesWarning` says so once, and nothing is
    written any more.

    Attributes:
        writer: of TensorBoard; None if nothing is written.
        folder: name of the folder; None if nothing is written.
    """

    def __init__(self, parent: str | Path | None, folder: str | None = None, run: TrainingRun | None = None) -> None:
        """Open a folder ``run_<k>`` within ``parent``, k the first number that is free; write nothing if None.

        Args:
            parent: where the folder is made.
            folder: of a run that goes on, whose curves go on there; what it wrote beyond where it goes on is purged.
            run: that goes on.
        """
        self.evaluations = 0
        self.writer: SummaryWriter | None = None
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

    def write(self, pool_number: int, values: dict[str, float], evaluations: list[Evaluation], pools: int) -> None:
        """Write scalars by tag at ``pool_number``, and those of the run's ``evaluations`` that are new.

        ``pools`` is how many the whole run shows.
        """
        if self.writer is None:
            return
        scalars = [(tag, value, pool_number) for tag, value in values.items()]
        for evaluation in evaluations[self.evaluations :]:
            pool = round(evaluation.progress * pools)
            metrics = evaluation.metrics() | {"cost": evaluation.cost}
            scalars.extend((f"eval/{name}", value, pool) for name, value in metrics.items())
        with self._warning():
            for tag, value, pool in scalars:
                self.writer.add_scalar(tag, value, pool)
        self.evaluations = len(evaluations)

    def close(self) -> None:
        """Flush and close the file; nothing can be written any more."""
        if self.writer is not None:
            with self._warning():
                self.writer.close()
            self.writer = None


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
