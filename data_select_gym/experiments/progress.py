"""Progress: a bar in a terminal, and a line every half minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from data_select_gym.experiments.comparison_spec import Comparison
from data_select_gym.experiments.run_key import RunKey

SECONDS_BETWEEN_LINES = 30.0
# Share that must be done before the time left is estimated.
LEAST_SHARE = 0.05


class ProgressLines:
    """Lines of progress on stderr, so that output redirected to a file holds the results only."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock.

        Args:
            total: how many runs there are.
            clock: gives the time in seconds.
        """
        self.total = total
        self.clock = clock
        self.began = self.last = clock()

    def report(self, done: float, what: str) -> None:
        """Print how many runs are done and what is running, at most every half minute."""
        now = self.clock()
        if now - self.last < SECONDS_BETWEEN_LINES:
            return
        self.last = now
        passed, share = now - self.began, done / self.total
        left = f", about {span(passed * (1 - share) / share)} left" if share >= LEAST_SHARE else ""
        print(f"{done:.1f} of {self.total} runs after {span(passed)}{left}: {what}", file=sys.stderr, flush=True)


def span(seconds: float) -> str:
    """A span of time in words."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


class ProgressBar:
    """Shows how many runs are done, counting unfinished ones in part, and what is running."""

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
        self.lines = None if console.is_terminal else ProgressLines(len(self.shares))
        self.bar = self.progress.add_task("reading data", total=len(self.shares))

    def __enter__(self) -> ProgressBar:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def advance(self, key: RunKey, share: float) -> None:
        """Record what share of a run is done."""
        self.shares[key] = share
        done = sum(self.shares.values())
        self.progress.update(self.bar, completed=done, description=str(key))
        if self.lines is not None:
            self.lines.report(done, str(key))
