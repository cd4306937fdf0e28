"""Pools: every epoch a fresh permutation of the training set, cut into pieces of one size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from data_select_gym.arguments import check_count
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

    def state(self) -> dict[str, Any]:
        """What the next pools come from."""
        return {"generator": self.generator.get_state(), "epoch": self.epoch, "order": self.order}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from another's state.

        Raises:
            ValueError: its order is not one of this run's samples.
        """
        self.generator.set_state(state["generator"])
        epochs = self.plan.total_pools // self.plan.pools_per_epoch
        self.epoch, self.order = check_count("epoch", state["epoch"], least=-1, most=epochs), state["order"]
        if self.epoch >= 0 and not torch.equal(self.order.sort().values, torch.arange(self.plan.samples)):
            raise ValueError(f"the order is not one of {self.plan.samples} samples")


def minibatch_count(kept: int, batch_size: int) -> int:
    """How many minibatches ``kept`` samples make; none of a single sample unless that is the ``batch_size``."""
    return max(1, min(round(kept / batch_size), kept // min(batch_size, 2)))


def cut(positions: Tensor, batch_size: int, lengths: Tensor | None, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Cut the kept positions of a pool into minibatches at random.

    Args:
        positions: int64 ``(k,)`` on the host.
        batch_size: of the recipe.
        lengths: int64 ``(k,)`` on the host, sizes of the samples; those of like size then come together, in minibatches
            that come in random order. None if they are not known.
        generator: on the host; all randomness comes from it.
    """
    count = minibatch_count(len(positions), batch_size)
    order = torch.randperm(len(positions), generator=generator)
    if lengths is None:
        return positions[order].tensor_split(count)
    parts = positions[order[lengths[order].argsort(stable=True)]].tensor_split(count)
    return tuple(parts[number] for number in torch.randperm(count, generator=generator).tolist())
