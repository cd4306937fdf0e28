"""Checkpoints on disk: the newest two of a run, none of them half-written."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch

from data_select_gym.arguments import check_count, check_least, check_path
from data_select_gym.files import replacing
from data_select_gym.tensor_files import load_tensors
from data_select_gym.training.checkpoint_state import State

KEPT = 2
NAME = re.compile(r"checkpoint-(\d+)\.pt")
# Left by a process that was killed while it wrote.
UNFINISHED = ".checkpoint-*.pt.*.tmp.pt"


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written or read; training goes on without it."""


class Checkpoints:
    """A folder for the checkpoints of one run.

    Attributes:
        folder: where they are. It is made when the first is written.
        minutes: between two checkpoints; None to ignore the clock.
        steps: pools between two checkpoints; None to ignore pools.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, minutes: float | None = 10.0, steps: int | None = None
    ) -> None:
        """Nothing is written yet.

        Raises:
            ValueError: ``minutes`` is below 0 or ``steps`` below 1.
            TypeError: ``folder`` is no path.
        """
        self.folder = check_path("folder", folder)
        self.minutes = None if minutes is None else check_least("minutes", minutes, 0)
        self.steps = None if steps is None else check_count("steps", steps)
        self._written_at, self._written = time.monotonic(), 0

    def due(self, pool_number: int) -> bool:
        """Whether a checkpoint is due after so many pools."""
        by_clock = self.minutes is not None and time.monotonic() - self._written_at >= 60 * self.minutes
        return by_clock or (self.steps is not None and pool_number - self._written >= self.steps)

    def write(self, pool_number: int, state: State) -> bool:
        """Write a checkpoint, and remove all others but the newest one before it.

        Checkpoints of later pools go too: they could not be read, so the run went on from before them and writes its
        own.

        Returns:
            Whether it could be written. If not, a :class:`CheckpointWarning` says why, and the earlier ones are kept.
        """
        self._written_at, self._written = time.monotonic(), pool_number
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"checkpoint-{pool_number:09d}.pt"
            write_state(path, state)
            earlier = [other for other in self.paths() if _number(other) < pool_number]
            self._remove({*self.paths()} - {path, *earlier[: KEPT - 1]})
        except (OSError, RuntimeError) as error:  # torch raises a RuntimeError if the disk is full
            message = f"no checkpoint could be written in {str(self.folder)!r}: {error}"
            warnings.warn(message, CheckpointWarning, stacklevel=2)
            return False
        return True

    def paths(self) -> list[Path]:
        """The checkpoints in the folder, the newest first."""
        found = {path: NAME.fullmatch(path.name) for path in self.folder.glob("checkpoint-*.pt")}
        return sorted((path for path, match in found.items() if match), key=lambda path: path.name, reverse=True)

    def read(self) -> State | None:
        """The newest checkpoint that can be read; None if there is none.

        Each one that cannot be read gives a :class:`CheckpointWarning`.
        """
        for path in self.paths():
            try:
                state = read_state(path)
            except ValueError as error:
                warnings.warn(f"{error}; an older one is looked for", CheckpointWarning, stacklevel=2)
                continue
            self._written = _number(path)
            return state
        return None

    def clear(self) -> None:
        """Remove all checkpoints, and the folder if nothing else is in it."""
        self._remove(self.paths())
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _remove(self, paths: Iterable[Path]) -> None:
        """Remove some checkpoints, and half-written files."""
        for path in [*paths, *self.folder.glob(UNFINISHED)]:
            path.unlink(missing_ok=True)


def _number(path: Path) -> int:
    """How many pools had been trained on when a checkpoint was written."""
    return int(path.stem.rpartition("-")[2])


def write_state(path: Path, state: State) -> None:
    """Write a state to a file, which gets its name only when it is complete and on disk."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())


def read_state(path: str | os.PathLike[str]) -> State:
    """Read the state in a file. That runs no code, whatever the file holds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or not written by :func:`write_state`.
    """
    file = check_path("checkpoint", path)
    if not file.is_file():
        raise FileNotFoundError(f"checkpoint={os.fspath(path)!r}: there is no such file")
    try:
        state = load_tensors(file)
    # Damaged files raise errors of any kind.
    except Exception as error:
        raise ValueError(f"{os.fspath(path)} is not a checkpoint that can be read: {error}") from error
    if not isinstance(state, dict):
        raise ValueError(f"{os.fspath(path)} holds a {type(state).__name__}; a checkpoint is a dict")
    return state
