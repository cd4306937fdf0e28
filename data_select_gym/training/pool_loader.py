"""Reading the pools of a run, minibatch by minibatch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from data_select_gym.tasks import Task, make_loader
from data_select_gym.tasks.data import lengths_of
from data_select_gym.tasks.protocol import Batch
from data_select_gym.training.config import RunConfig
from data_select_gym.training.plan import Plan
from data_select_gym.training.pools import Minibatches, Pools, fill
from data_select_gym.training.seeds import Seeds


class PoolLoader:
    """Shuffles the samples of a run into pools, cuts these into minibatches, and reads them.

    Attributes:
        plan: of the run.
        batch_size: samples in a minibatch: the recipe's, or the pool's size if that is smaller.
        filled: whether smaller minibatches are filled up to that size.
        source: reads the training samples.
        pools: which samples each pool has.
        minibatches: how the kept samples of each pool are cut.
    """

    def __init__(self, task: Task, plan: Plan, config: RunConfig, device: torch.device, seeds: Seeds) -> None:
        self.plan = plan
        self.batch_size = min(task.recipe.batch_size, plan.pool_size)
        self.filled = config.compile
        self.source = make_loader(task.train, device, task.loading, seed=seeds.reading)
        self.pools = Pools(plan, seeds.pools)
        self.minibatches = Minibatches(self.batch_size, lengths_of(task.train), seeds.order, filled=self.filled)

    def cut(self, number: int, positions: Tensor) -> tuple[Tensor, ...]:
        """Cut the kept ``positions`` of the pool ``number``, int64 ``(k,)`` on the host, into minibatches."""
        return self.minibatches.of(self.pools[number], positions)

    def used(self, minibatches: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Positions of all samples that are passed forward, including those that fill up a minibatch."""
        return tuple(fill(part, self.batch_size) for part in minibatches) if self.filled else minibatches

    def batches(self, number: int, minibatches: tuple[Tensor, ...]) -> Iterator[Batch]:
        """Read the minibatches of the pool ``number``, and begin to read the next pool if that is certain."""
        return self.source.batches(self._samples(number, minibatches), self._next_samples(number))

    def whole(self, number: int) -> Iterator[Batch]:
        """Read all of the pool ``number`` in its order, for an extra forward pass."""
        return self.source.batches(list(torch.split(self.pools[number], self.batch_size)))

    def _samples(self, number: int, minibatches: tuple[Tensor, ...]) -> list[Tensor]:
        parts = self.used(minibatches)
        return list(torch.split(self.pools[number][torch.cat(parts)], [len(part) for part in parts]))

    def _next_samples(self, number: int) -> list[Tensor]:
        """What will be read for the next pool, if it is certain: within an epoch that is trained on in full."""
        following = number + 1
        selecting = self.plan.warmup_pools <= number < self.plan.anneal_start
        if selecting or following == self.plan.total_pools or following % self.plan.pools_per_epoch == 0:
            return []
        return self._samples(following, self.minibatches.ahead(self.pools[following]))

    def close(self) -> None:
        """End the processes that read, if there are any."""
        self.source.close()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next pools and minibatches depend on."""
        return {"pools": self.pools.state_dict(), "order": self.minibatches.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from another loader's state.

        Raises:
            ValueError: it is of other samples.
        """
        self.pools.load_state_dict(state["pools"])
        self.minibatches.load_state_dict(state["order"])
