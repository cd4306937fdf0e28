"""TensorBoard curves of runs, one folder per run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_select_gym.envs.callbacks import Env, EnvCallback
from data_select_gym.envs.profile import StepProfiler
from data_select_gym.envs.step_info import costs, skipped
from data_select_gym.training import TrainingRun

if TYPE_CHECKING:  # it takes a second to import, and only curves need it
    from torch.utils.tensorboard import SummaryWriter


# Entries of a step's info that are also curves.
SCALARS = ("train_loss", "keep_fraction")


class CurvesWarning(UserWarning):
    """Curves cannot be written; training goes on without them."""


class RunWriter(EnvCallback):
    """Writes the curves of one run, and a trace of its steps; the horizontal axis is the number of pools shown.

    If they cannot be written, because the disk is full or gone, a :class:`CurvesWarning` says so once, and nothing more
    is written.

    Attributes:
        writer: of TensorBoard; None if nothing is written.
        folder: name of the folder; None if nothing is written.
        profiler: of steps; None without one.
    """

    def __init__(
        self,
        parent: str | Path | None,
        folder: str | None = None,
        run: TrainingRun | None = None,
        *,
        profile: bool = False,
    ) -> None:
        """Open a folder ``run_<k>`` within ``parent``, k the first number that is free; write nothing if None.

        Args:
            parent: where the folder is made.
            folder: of a run that resumes, whose curves continue there; what it wrote beyond that point is purged.
            run: that resumes.
            profile: whether steps are traced too.
        """
        self.parent = parent
        self.profile = profile
        self.evaluations = 0
        self.writer: SummaryWriter | None = None
        self.profiler: StepProfiler | None = None
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

    def on_reset_end(self, env: Env, info: dict[str, Any]) -> None:
        self.write(env.run, env.run.pool_number, {}, env.seconds)
        if self.profile and self.writer is not None and self.parent is not None and self.folder is not None:
            self.profiler = StepProfiler(Path(self.parent) / self.folder, env.run)

    def on_step_end(self, env: Env, reward: float, info: dict[str, Any]) -> None:
        values = {name: info[name] for name in (*SCALARS, *env.problem_shares)} | {"reward": reward}
        values |= {f"reward/{name}": value for name, value in info["reward_terms"].items()}
        pool_number, _ = env.keep_fractions[-1]
        self.write(env.run, pool_number, values, env.seconds)

    def write(self, run: TrainingRun, pool_number: int, values: dict[str, float], seconds: float) -> None:
        """Write the values of a step, where the run is, and evaluations that are new.

        Args:
            run: whose curves these are.
            pool_number: how many pools had been shown at the end of the step.
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
            if self.profiler is not None:
                self.profiler.step()
        self.evaluations = len(run.evaluations)

    def close(self) -> None:
        """End the trace, flush and close the file; nothing is written after that."""
        for open_one in (self.profiler, self.writer):
            if open_one is not None:
                with self._warning():
                    open_one.close()
        self.writer = self.profiler = None


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
