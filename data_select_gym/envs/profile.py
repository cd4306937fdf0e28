"""Traces of a run's steps, for TensorBoard's profiler and for Perfetto."""

from __future__ import annotations

from pathlib import Path

from torch.profiler import ProfilerActivity, profile, schedule

from data_select_gym.files import replacing
from data_select_gym.training import TrainingRun

NAME = "steps.pt.trace.json.gz"
# The first step includes one-time work of libraries, and the one before the trace that of the profiler.
SKIPPED, WARMING, TRACED = 1, 1, 10


class StepProfiler:
    """Traces ten steps of a run from the third one on, with what the policy does before each.

    The phases of the run's timer are labelled in the trace.
    """

    def __init__(self, folder: Path, run: TrainingRun) -> None:
        """Start counting the steps of ``run``; the complete trace goes to ``folder``."""
        self.folder = folder
        self.timer = run.timer
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (run.device.type == "cuda")
        self.profiler: profile | None = profile(
            activities=activities,
            schedule=schedule(wait=SKIPPED, warmup=WARMING, active=TRACED, repeat=1),
            on_trace_ready=self._write,
        )
        self.profiler.start()
        self.steps = 0

    def step(self) -> None:
        """Count a finished step.

        Raises:
            OSError: it was the last one to trace, and the trace cannot be written.
        """
        if self.profiler is None:
            return
        self.steps += 1
        self.timer.labels = self.steps >= SKIPPED + WARMING
        self.profiler.step()
        if self.steps == SKIPPED + WARMING + TRACED:
            self.close()

    def close(self) -> None:
        """End the trace; that of a short run has fewer steps.

        Raises:
            OSError: it cannot be written.
        """
        self.timer.labels = False
        profiler, self.profiler = self.profiler, None
        if profiler is not None:
            profiler.stop()

    def _write(self, profiler: profile) -> None:
        with replacing(self.folder / NAME) as path:
            profiler.export_chrome_trace(str(path))
