"""The progress bar of a comparison."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from data_select_gym.experiments.comparison import Comparison, RunKey


class ProgressBar:
    """Shows how many runs are over, those under way in part, and what is being run; silent without a terminal."""

    def __init__(self, comparison: Comparison, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("runs"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.shares = dict.fromkeys(comparison.planned, 0.0)
        self.bar = self.progress.add_task("reading data", total=len(self.shares))

    def __enter__(self) -> ProgressBar:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def advance(self, key: RunKey, share: float) -> None:
        """Note the share of a run that is done."""
        self.shares[key] = share
        self.progress.update(self.bar, completed=sum(self.shares.values()), description=str(key))
