"""The block in which a run computes, with its own random streams and number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from data_select_gym.randomness import RNGScope
from data_select_gym.training.threads import at_most


class ComputeScope:
    """``with scope():`` runs a block with the run's own global generators and number of threads.

    Attributes:
        randomness: the streams of the global generators.
        threads: the most that compute on the CPU; None for as many as torch has.
    """

    def __init__(self, randomness: RNGScope, threads: int | None = None) -> None:
        self.randomness = randomness
        self.threads = threads

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with at_most(self.threads), self.randomness:
            yield
