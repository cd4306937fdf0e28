"""Extra forward passes over the validation set during a run, for rewards and features that need them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from data_select_gym.phase_timer import PhaseTimer
from data_select_gym.signals import Signals, alignment, last_layer_gradient
from data_select_gym.tasks import Task, make_loader
from data_select_gym.tasks.data import length
from data_select_gym.training.compute_scope import ComputeScope
from data_select_gym.training.costs import CostMeter
from data_select_gym.training.plan import probed_samples
from data_select_gym.training.seeds import Seeds
from data_select_gym.training.trainer import Trainer

MEMORY = 0.9


class Probe:
    """Passes batches of the validation set forward, an eighth of a pool at a time, and counts what that costs.

    Attributes:
        size: samples in a batch.
        gradient: float32 ``(C, D)``, the running mean over the batches of the validation loss's gradient in the last
            layer, a tenth of it from the newest; None before :meth:`turn`.
    """

    def __init__(
        self, task: Task, trainer: Trainer, costs: CostMeter, computing: ComputeScope, timer: PhaseTimer, seeds: Seeds
    ) -> None:
        self.trainer = trainer
        self.costs = costs
        self.computing = computing
        self.timer = timer
        self.source = make_loader(task.validation, trainer.device, task.loading, seed=seeds.probe_reading)
        self.samples = length(task.validation)
        self.size = probed_samples(task, trainer.plan.pool_size)
        self.gradient: Tensor | None = None
        self.generator = torch.Generator().manual_seed(seeds.probe)
        self.order = torch.empty(0, dtype=torch.int64)

    def next_batch(self) -> Tensor:
        """Indices of the next batch, int64 ``(size,)`` on the host; each pass over the set is a fresh permutation."""
        if len(self.order) < self.size:
            self.order = torch.randperm(self.samples, generator=self.generator)
        batch, self.order = self.order[: self.size], self.order[self.size :]
        return batch

    def eval_forward(self, batch: Tensor, *, embed: bool = False) -> Signals:
        """Signals of a batch, int64 ``(n,)`` on the host, under the present weights."""
        with self.computing(), self.timer.phase("look"):
            signals = self.trainer.eval_forward(self.source.batches([batch]), embed=embed)
        self.costs.count_forwarded(batch, validation=True)
        return signals

    def turn(self, signals: Signals) -> Tensor:
        """Move the gradient a tenth of the way towards that of a batch, and return it.

        A gradient that is not finite is ignored. If it is the first, the mean is zero.

        Args:
            signals: of the batch, with embedding and error.
        """
        newest = last_layer_gradient(signals)
        before = torch.zeros_like(newest) if self.gradient is None else self.gradient
        turned = newest if self.gradient is None else MEMORY * self.gradient + (1 - MEMORY) * newest
        self.gradient = torch.where(newest.isfinite().all(), turned, before)
        return self.gradient

    def turn_to_next_batch(self) -> Tensor:
        """Take an extra forward pass over the next batch, and move the gradient towards that of the batch."""
        return self.turn(self.eval_forward(self.next_batch(), embed=True))

    def aligned(self, signals: Signals) -> Signals:
        """The signals with their alignment. Without a gradient yet, a first batch is passed forward."""
        gradient = self.turn_to_next_batch() if self.gradient is None else self.gradient
        return replace(signals, alignment=alignment(signals, gradient))

    def close(self) -> None:
        """End the processes that read, if there are any."""
        self.source.close()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next batches and gradients depend on."""
        return {"generator": self.generator.get_state(), "order": self.order, "gradient": self.gradient}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from another probe's state.

        Raises:
            ValueError: its order is not one of this validation set's samples.
        """
        self.generator.set_state(state["generator"])
        self.order = state["order"]
        if not torch.isin(self.order, torch.arange(self.samples)).all() or self.order.ndim != 1:
            raise ValueError(f"the order is not one of {self.samples} samples")
        self.gradient = None if state["gradient"] is None else state["gradient"].to(self.trainer.device)
