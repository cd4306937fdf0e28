"""TensorBoard curves of runs, a folder a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_select_gym.training import TrainingRun


class RunWriter:
    """Writes the curves of one run; the horizontal axis is the number of pools shown."""

    def __init__(self, folder: str | Path) -> None:
        """Open a new folder ``run_<k>`` within ``folder``, k the first number that is free."""
        from torch.utils.tensorboard import SummaryWriter

        number = 1
        while (Path(folder) / f"run_{number}").exists():
            number += 1
        self.writer = SummaryWriter(str(Path(folder) / f"run_{number}"))
        self.evaluations = 0

    def write(self, run: TrainingRun, values: dict[str, Any]) -> None:
        """Write scalars by tag, and the evaluations that are new."""
        for tag, value in values.items():
            self.writer.add_scalar(tag, value, run.pool_number)
        for evaluation in run.evaluations[self.evaluations :]:
            pool = round(evaluation.progress * run.plan.total_pools)
            for name, value in (evaluation.metrics() | {"cost": evaluation.cost}).items():
                self.writer.add_scalar(f"eval/{name}", value, pool)
        self.evaluations = len(run.evaluations)

    def close(self) -> None:
        """Flush and close the file."""
        self.writer.close()
