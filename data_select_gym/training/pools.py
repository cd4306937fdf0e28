"""Pools: every epoch a fresh permutation of the training set, cut into pieces of one size."""

from __future__ import annotations

import torch
from torch import Tensor

from data_select_gym.training.plan import Plan


class Pools:
    """The pools of a run in their order, which depends on the seed alone and not on what is kept."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.generator = torch.Generator().manual_seed(seed)
        self.epoch = -1
        self.order = torch.empty(0, dtype=torch.int64)

    def __getitem__(self, number: int) -> Tensor:
        """Indices of the pool ``number`` of the run, int64 ``(P,)`` on the host; pools are asked for in order."""
        epoch, place = divmod(number, self.plan.pools_per_epoch)
        while self.epoch < epoch:
            self.order = torch.randperm(self.plan.samples, generator=self.generator)
            self.epoch += 1
        return self.order[place * self.plan.pool_size : (place + 1) * self.plan.pool_size]


def minibatch_count(kept: int, batch_size: int) -> int:
    """How many minibatches ``kept`` samples make; none of a single sample unless that is the ``batch_size``."""
    return max(1, min(round(kept / batch_size), kept // min(batch_size, 2)))
