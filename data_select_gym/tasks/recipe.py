"""Recipes: how a model is trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from data_select_gym.arguments import check_callable, check_choice, check_count, check_part, check_positive

# From progress in [0, 1] to a factor on the optimizer's learning rate.
Schedule: TypeAlias = Callable[[float], float]
# From a batch of inputs on the device and the run's generator (on the same device) to inputs of the same shape.
Augmentation: TypeAlias = Callable[[Tensor, torch.Generator], Tensor]

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def constant(progress: float) -> float:
    """The optimizer's learning rate throughout."""
    return 1.0


@dataclass(frozen=True)
class WarmupDecay:
    """Linear rise from 0 to 1 over the first ``warm`` share of the run, then linear fall to 0."""

    warm: float = 0.2

    def __post_init__(self) -> None:
        """Check the value.

        Raises:
            ValueError: ``warm`` is not in [0, 1).
        """
        object.__setattr__(self, "warm", check_part("warm", self.warm))

    def __call__(self, progress: float) -> float:
        if progress < self.warm:
            return progress / self.warm
        return (1 - progress) / (1 - self.warm)


@dataclass(frozen=True)
class OneCycle:
    """Cosine rise from 1 / div to 1 over the first ``warm`` share, then cosine fall to 1 / (div final_div).

    The shape of ``torch.optim.lr_scheduler.OneCycleLR`` with its default annealing (Smith and Topin, arXiv 1708.07120).
    """

    warm: float = 0.3
    div: float = 25.0
    final_div: float = 1e4

    def __post_init__(self) -> None:
        """Check the value.

        Raises:
            ValueError: ``warm`` is not in [0, 1), or ``div`` or ``final_div`` is not above 0.
        """
        object.__setattr__(self, "warm", check_part("warm", self.warm))
        for name in ("div", "final_div"):
            object.__setattr__(self, name, check_positive(name, getattr(self, name)))

    def __call__(self, progress: float) -> float:
        start, end = 1 / self.div, 1 / (self.div * self.final_div)
        if progress < self.warm:
            return _cosine(start, 1.0, progress / self.warm)
        return _cosine(1.0, end, (progress - self.warm) / (1 - self.warm))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(share * math.pi)) / 2


@dataclass(frozen=True)
class Recipe:
    """Optimizer, schedule, batch size, epochs, augmentation and precision of a run.

    Attributes:
        epochs: how often a full-data run shows the training set.
        batch_size: samples in a minibatch.
        optimizer: from a list of the model's parameters to a torch optimizer, whose learning rate is the largest of the
            run. Each minibatch is passed forward once, so optimizers that need a closure, such as LBFGS, cannot be
            used.
        schedule: factor on that learning rate, a function of progress in [0, 1].
        augment: applied to each training batch on the device; None for no augmentation.
        precision: ``"float32"``, or ``"bfloat16"`` for automatic mixed precision.
        evaluation_batch_size: samples in a batch that is not trained on.
        max_grad_norm: a larger gradient of all weights together is scaled down to this norm; None for no limit.
    """

    epochs: int
    batch_size: int
    optimizer: Callable[[list[nn.Parameter]], Optimizer]
    schedule: Schedule = constant
    augment: Augmentation | None = None
    precision: str = "float32"
    evaluation_batch_size: int = 500
    max_grad_norm: float | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: ``epochs``, a batch size or ``max_grad_norm`` is out of its range, or an unknown ``precision``.
            TypeError: ``optimizer``, ``schedule`` or ``augment`` cannot be called.
        """
        # NumPy's numbers become Python's, which everything accepts.
        for name in ("epochs", "batch_size", "evaluation_batch_size"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        check_callable("optimizer", self.optimizer)
        check_callable("schedule", self.schedule)
        if self.augment is not None:
            check_callable("augment", self.augment)
        if self.max_grad_norm is not None:
            object.__setattr__(self, "max_grad_norm", check_positive("max_grad_norm", self.max_grad_norm))
        check_choice("precision", self.precision, PRECISIONS)
