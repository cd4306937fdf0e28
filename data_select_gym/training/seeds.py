"""The seeds of a run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Seeds(NamedTuple):
    """Independent seeds for everything that a run draws.

    Attributes:
        weights: of initial weights, dropout, and whatever else draws from global generators.
        pools: of the order of the samples.
        order: of the minibatches.
        augmentation: of the recipe's ``augment``.
        probe: of the order of the validation set's batches in extra forward passes.
        reading: of the training set in worker processes.
        probe_reading: of the validation set in worker processes, in extra forward passes.
        evaluation: of datasets in worker processes, in evaluations.
    """

    weights: int
    pools: int
    order: int
    augmentation: int
    probe: int
    reading: int
    probe_reading: int
    evaluation: int

    @classmethod
    def of(cls, seed: int) -> Seeds:
        """The seeds of a run with this seed."""
        return cls(*np.random.SeedSequence(seed).generate_state(len(cls._fields)).tolist())
