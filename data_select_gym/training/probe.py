"""Looks at the validation set during a run, for rewards and features that ask for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from data_select_gym.signals import Signals, last_layer_gradient
from data_select_gym.tasks import Task, make_loader
from data_select_gym.tasks.data import length
from data_select_gym.training.plan import probed_samples
from data_select_gym.training.trainer import Trainer

MEMORY = 0.9


class Probe:
    """Passes batches of the validation set forward, an eighth of a pool at a time.

    Attributes:
        size: samples in a batch.
        gradient: float32 ``(C, D)``, the running mean over the batches of the validation loss's gradient in the last
            layer, a tenth of it from the newest; None before :meth:`turn`.
    """

    def __init__(self, task: Task, pool_size: int, seed: int, device: torch.device, *, reading_seed: int) -> None:
        """Open the validation set; ``seed`` is that of the order in which it is looked at.

        ``reading_seed`` is that of :func:`~data_select_gym.tasks.make_loader`.
        """
        self.source = make_loader(task.validation, device, task.loading, seed=reading_seed)
        self.device = device
        self.samples = length(task.validation)
        self.size = probed_samples(task, pool_size)
        self.gradient: Tensor | None = None
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64)

    def next_batch(self) -> Tensor:
        """Indices of the next batch, int64 ``(size,)`` on the host; each pass over the set is a fresh permutation."""
        if len(self.order) < self.size:
            self.order = torch.randperm(self.samples, generator=self.generator)
        batch, self.order = self.order[: self.size], self.order[self.size :]
        return batch

    def look(self, trainer: Trainer, batch: Tensor, *, embed: bool = False) -> Signals:
        """Signals of a batch under the present weights."""
        return trainer.look(self.source.batches([batch]), embed=embed)

    def turn(self, signals: Signals) -> Tensor:
        """Turn the gradient towards that of a batch, and return it; ``signals`` have embedding and error.

        By one that is not finite it does not turn; the first is then zero.
        """
        newest = last_layer_gradient(signals)
        before = torch.zeros_like(newest) if self.gradient is None else self.gradient
        turned = newest if self.gradient is None else MEMORY * self.gradient + (1 - MEMORY) * newest
        self.gradient = torch.where(newest.isfinite().all(), turned, before)
        return self.gradient

    def state(self) -> dict[str, Any]:
        """What the next batches and gradients come from."""
        return {"generator": self.generator.get_state(), "order": self.order, "gradient": self.gradient}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from another's state.

        Raises:
            ValueError: its order is not one of this validation set's samples.
        """
        self.generator.set_state(state["generator"])
        self.order = state["order"]
        if not torch.isin(self.order, torch.arange(self.samples)).all() or self.order.ndim != 1:
            raise ValueError(f"the order is not one of {self.samples} samples")
        self.gradient = None if state["gradient"] is None else state["gradient"].to(self.device)
