"""Pools: each epoch is a fresh permutation of the training set, cut into pools of equal size. And their minibatches."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from data_select_gym.arguments import check_count
from data_select_gym.training.plan import Plan


class Pools:
    """The pools of a run in order. The order depends only on the seed, and not on what is kept."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.generator = torch.Generator().manual_seed(seed)
        self.epoch = -1
        self.order = torch.empty(0, dtype=torch.int64)
        self.copied = -1, self.order

    def __getitem__(self, number: int) -> Tensor:
        """Indices of the pool ``number`` of the run, int64 ``(P,)`` on the host. Ask for pools in order."""
        epoch, place = divmod(number, self.plan.pools_per_epoch)
        order = self.shuffled(epoch)
        return order[place * self.plan.pool_size : (place + 1) * self.plan.pool_size]

    def shuffled(self, epoch: int) -> Tensor:
        """The order in which an epoch shows the samples, int64 ``(N,)`` on the host. Ask for epochs in order."""
        while self.epoch < epoch:
            self.order = torch.randperm(self.plan.samples, generator=self.generator)
            self.epoch += 1
        return self.order

    def on(self, device: torch.device, number: int) -> Tensor:
        """The pool ``number`` on a device. It is copied there once."""
        if self.copied[0] != number:
            self.copied = number, self[number].to(device, non_blocking=True)
        return self.copied[1]

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next pools depend on."""
        return {"generator": self.generator.get_state(), "epoch": self.epoch, "order": self.order}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the state of other pools.

        Raises:
            ValueError: their order is not one of this run's samples.
        """
        self.generator.set_state(state["generator"])
        self.copied = -1, self.order
        epochs = self.plan.total_pools // self.plan.pools_per_epoch
        self.epoch, self.order = check_count("epoch", state["epoch"], least=-1, most=epochs), state["order"]
        if self.epoch >= 0 and not torch.equal(self.order.sort().values, torch.arange(self.plan.samples)):
            raise ValueError(f"the order is not one of {self.plan.samples} samples")


class Minibatches:
    """The minibatches of a run: what is kept of each pool, cut at random.

    A pool that will be kept whole can be cut ahead of time. The cut is the same, and until it is used the state is that
    from before it.
    """

    def __init__(self, batch_size: int, lengths: Tensor | None, seed: int, *, filled: bool = False) -> None:
        """Draw nothing yet.

        Args:
            batch_size: see :func:`cut`.
            lengths: int64 ``(N,)`` on the host, of the training samples; None if they are not known.
            seed: of the cuts.
            filled: see :func:`minibatch_count`.
        """
        self.batch_size = batch_size
        self.lengths = lengths
        self.filled = filled
        self.generator = torch.Generator().manual_seed(seed)
        self.drawn_ahead: tuple[Tensor, tuple[Tensor, ...], Tensor] | None = None

    def of(self, pool: Tensor, positions: Tensor) -> tuple[Tensor, ...]:
        """Minibatches of the next pool, of whose ``positions``, int64 ``(k,)`` on the host, are kept."""
        drawn, self.drawn_ahead = self.drawn_ahead, None
        if drawn is not None:
            whole, minibatches, before = drawn
            if len(positions) == len(pool) and torch.equal(pool, whole):
                return minibatches
            self.generator.set_state(before)
        lengths = None if self.lengths is None else self.lengths[pool[positions]]
        return cut(positions, self.batch_size, lengths, self.generator, filled=self.filled)

    def ahead(self, pool: Tensor) -> tuple[Tensor, ...]:
        """Minibatches of the next pool if all of it is kept; :meth:`of` then returns the same."""
        before = self.state_dict()
        minibatches = self.of(pool, torch.arange(len(pool)))
        self.drawn_ahead = pool, minibatches, before
        return minibatches

    def state_dict(self) -> Tensor:
        """Everything that the next minibatches depend on."""
        return self.generator.get_state() if self.drawn_ahead is None else self.drawn_ahead[2]

    def load_state_dict(self, state: Tensor) -> None:
        """Go on from the state of other minibatches."""
        self.generator.set_state(state)
        self.drawn_ahead = None


def minibatch_count(kept: int, batch_size: int, *, filled: bool = False) -> int:
    """How many minibatches ``kept`` samples make.

    None is of a single sample, unless that is the ``batch_size``. With ``filled`` none has more than ``batch_size``;
    smaller ones are filled up, see :func:`fill`.
    """
    if filled:
        return math.ceil(kept / batch_size)
    return max(1, min(round(kept / batch_size), kept // min(batch_size, 2)))


def fill(positions: Tensor, batch_size: int) -> Tensor:
    """The positions of a minibatch, int64 ``(k,)``, repeated until there are ``batch_size``."""
    return positions[torch.arange(batch_size) % len(positions)]


def cut(
    positions: Tensor, batch_size: int, lengths: Tensor | None, generator: torch.Generator, *, filled: bool = False
) -> tuple[Tensor, ...]:
    """Cut the kept positions of a pool into minibatches at random.

    Args:
        positions: int64 ``(k,)`` on the host.
        batch_size: of the recipe.
        lengths: int64 ``(k,)`` on the host, lengths of the samples; samples of similar length then share a minibatch,
            and the minibatches are in random order. None if they are not known.
        generator: on the host, the source of all randomness.
        filled: see :func:`minibatch_count`.
    """
    count = minibatch_count(len(positions), batch_size, filled=filled)
    order = torch.randperm(len(positions), generator=generator)
    if lengths is None:
        return positions[order].tensor_split(count)
    parts = positions[order[lengths[order].argsort(stable=True)]].tensor_split(count)
    return tuple(parts[number] for number in torch.randperm(count, generator=generator).tolist())
