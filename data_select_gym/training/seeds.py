"""The seeds of a run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Seeds(NamedTuple):
    """One seed for everything that a run draws, each independent of the others.

    Attributes:
        weights: of initial weights, dropout and whatever else draws from global generators.
        pools: of the order of the samples.
        order: of the minibatches.
        augmentation: of the recipe's ``augment``.
        probe: of the order of the validation set's batches in extra forward passes.
        reading: of what the training set draws in worker processes.
        probe_reading: of what the validation set draws there in extra forward passes.
        evaluation: of what datasets draw there in evaluations.
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
        """Those of a run."""
        return cls(*np.random.SeedSequence(seed).generate_state(len(cls._fields)).tolist())
