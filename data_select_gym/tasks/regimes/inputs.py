"""Training sets in which the inputs of some samples are altered."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from data_select_gym.tasks.altered import Altered, each_part, noise_for, seeds_of
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.objectives import Classification
from data_select_gym.tasks.protocol import is_resident
from data_select_gym.tasks.task import Task


def chosen_share(size: int, share: float, generator: torch.Generator) -> Tensor:
    """``round(share * size)`` samples drawn at random, bool ``(size,)``."""
    chosen = torch.zeros(size, dtype=torch.bool)
    chosen[torch.randperm(size, generator=generator)[: round(share * size)]] = True
    return chosen


def labels_if_classes(task: Task) -> Tensor | None:
    """The labels of the training set, int64 ``(n,)``; None if the task has no classes."""
    return labels_of(task.train, task.loading) if isinstance(task.objective, Classification) else None


def with_noise(task: Task, chosen: Tensor, strength: float, generator: torch.Generator) -> Task:
    """The same task with noise in the inputs of the ``chosen`` samples, bool ``(n,)``.

    Args:
        task: with inputs that are tensors of float or uint8.
        chosen: which samples.
        strength: of the noise, in standard deviations of the inputs.
        generator: draws the noise.
    """
    noise = noise_for(task.train, task.loading, strength)
    if not is_resident(task.train):
        altered = Altered(task.train, noise, seeds_of(chosen, generator), targets=labels_if_classes(task))
        return replace(task, train=altered)
    inputs, targets = task.train.tensors
    inputs = inputs.clone()
    inputs[chosen] = each_part(inputs[chosen], generator, noise)
    return replace(task, train=TensorDataset(inputs, targets))
