"""The progress bar of a comparison."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from data_select_gym.experiments.compare import Comparison, total_pools
from data_select_gym.training import TrainingRun


class ProgressBar:
    """Shows the pools of all runs trained on so far, and what is being run; silent where there is no terminal."""

    def __init__(self, comparison: Comparison, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("pools"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.bar = self.progress.add_task("reading data", total=total_pools(comparison))

    def __enter__(self) -> ProgressBar:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def advance(self, policy: str, seed: int, run: TrainingRun) -> None:
        """Count one pool."""
        self.progress.update(self.bar, advance=1, description=f"{policy}, seed {seed}")
