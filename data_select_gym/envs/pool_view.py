"""What a feature sees: the pool and the recorded signals of its candidates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from data_select_gym.ledger import Ledger
from data_select_gym.rewards import SampleScore, composite
from data_select_gym.signals import Signals
from data_select_gym.training import TrainingRun


@dataclass(frozen=True)
class PoolView:
    """What a feature is computed from: the pool now shown, or in your own training loop any part of its ledger.

    Attributes:
        signals: recorded of the P candidates.
        ledger: that they are from, in which each visit was recorded with its step.
        indices: int64 ``(P,)``, which samples the candidates are, on the ledger's device.
        step: how many pools were shown before this one.
        steps: how many the whole run shows.
        epoch: of this pool, from 0.
        price: of keeping a sample, in [0, 1].
        quality: that the reward pays, for ``quality_rank``.
    """

    signals: Signals
    ledger: Ledger
    indices: Tensor
    step: int
    steps: int
    epoch: int
    price: float
    quality: SampleScore = composite

    @classmethod
    def of(cls, run: TrainingRun, signals: Signals, price: float, quality: SampleScore = composite) -> PoolView:
        """The view of the pool that a run now shows; ``signals`` are its recorded ones."""
        return cls(signals, run.ledger, run.rows, run.pool_number, run.plan.total_pools, run.epoch, price, quality)

    def column(self, name: str) -> Tensor:
        """The ledger's column ``previous_loss``, ``visits`` or ``last_visit`` for the pool, float32 ``(P,)``."""
        column: Tensor = getattr(self.ledger, name)
        return column.index_select(0, self.indices).float()

    def constant(self, value: float) -> Tensor:
        """The same value for every candidate, float32 ``(P,)``."""
        return torch.full_like(self.signals.loss, value)
