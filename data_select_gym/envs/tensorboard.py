"""TensorBoard curves of runs, a folder a run."""

from __future__ import annotations

from pathlib import Path

from data_select_gym.training import Evaluation


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

    def write(self, pool_number: int, values: dict[str, float], evaluations: list[Evaluation], pools: int) -> None:
        """Write scalars by tag at ``pool_number``, and those of the run's ``evaluations`` that are new.

        ``pools`` is how many the whole run shows.
        """
        for tag, value in values.items():
            self.writer.add_scalar(tag, value, pool_number)
        for evaluation in evaluations[self.evaluations :]:
            pool = round(evaluation.progress * pools)
            for name, value in (evaluation.metrics() | {"cost": evaluation.cost}).items():
                self.writer.add_scalar(f"eval/{name}", value, pool)
        self.evaluations = len(evaluations)

    def close(self) -> None:
        """Flush and close the file."""
        self.writer.close()
