"""TensorBoard curves of runs, a folder a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from data_select_gym.training import Evaluation, TrainingRun

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class RunWriter:
    """Writes the curves of one run; the horizontal axis is the number of pools shown.

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
        from torch.utils.tensorboard import SummaryWriter

        if folder is None or run is None or not (Path(parent) / folder).is_dir():
            self.folder = make_folder(Path(parent)).name
            self.writer = SummaryWriter(str(Path(parent) / self.folder))
            return
        self.evaluations = len(run.evaluations)
        self.writer = SummaryWriter(str(Path(parent) / folder), purge_step=run.pool_number + 1)

    def write(self, pool_number: int, values: dict[str, float], evaluations: list[Evaluation], pools: int) -> None:
        """Write scalars by tag at ``pool_number``, and those of the run's ``evaluations`` that are new.

        ``pools`` is how many the whole run shows.
        """
        if self.writer is None:
            return
        for tag, value in values.items():
            self.writer.add_scalar(tag, value, pool_number)
        for evaluation in evaluations[self.evaluations :]:
            pool = round(evaluation.progress * pools)
            for name, value in (evaluation.metrics() | {"cost": evaluation.cost}).items():
                self.writer.add_scalar(f"eval/{name}", value, pool)
        self.evaluations = len(evaluations)

    def close(self) -> None:
        """Flush and close the file; nothing can be written any more."""
        if self.writer is not None:
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
