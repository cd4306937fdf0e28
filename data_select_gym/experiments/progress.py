"""How far a comparison is: a bar in a terminal, and a line now and then where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from data_select_gym.experiments.comparison import Comparison
from data_select_gym.experiments.run_key import RunKey

SECONDS_BETWEEN_LINES = 30.0
# Of what is done before it says anything of how long the rest takes.
LEAST_SHARE = 0.05


class ProgressLines:
    """Lines on how far it is, to stderr, so that files that take the output get the outcome alone."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin.

        Args:
            total: how many runs there are.
            clock: seconds that go on.
        """
        self.total = total
        self.clock = clock
        self.began = self.last = clock()

    def report(self, done: float, what: str) -> None:
        """Say how many runs are done, and what is being run, if nothing was said for half a minute."""
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
    """Shows how many runs are over, those under way in part, and what is being run; in lines without a terminal."""

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
        """Note the share of a run that is done."""
        self.shares[key] = share
        done = sum(self.shares.values())
        self.progress.update(self.bar, completed=done, description=str(key))
        if self.lines is not None:
            self.lines.report(done, str(key))
