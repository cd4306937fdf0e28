"""Batches of a map-style dataset on the model's device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from data_select_gym.arguments import check_share


class Source(Protocol):
    """Batches by index."""

    def batches(self, indices: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """One pair of inputs and targets on the device for each int64 tensor of indices (on the host)."""


class ResidentSource:
    """A dataset of tensors, kept whole on the device."""

    def __init__(self, dataset: TensorDataset, device: torch.device) -> None:
        self.device = device
        self.inputs, self.targets = (tensor.to(device) for tensor in dataset.tensors)

    def batches(self, indices: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """See :class:`Source`."""
        for chosen in indices:
            rows = chosen.to(self.device, non_blocking=True)
            yield self.inputs[rows], self.targets[rows]


class LoadedSource:
    """Any map-style dataset of pairs, read sample by sample: what is not asked for is never opened."""

    def __init__(self, dataset: Dataset[Any], device: torch.device) -> None:
        self.dataset = dataset
        self.device = device
        # A loader draws a seed from the global generator unless it is given one of its own.
        self.generator = torch.Generator()

    def batches(self, indices: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """See :class:`Source`.

        Raises:
            ValueError: a sample is not a pair of an input and a target.
        """
        order = [chosen.tolist() for chosen in indices]
        for batch in DataLoader(self.dataset, batch_sampler=order, generator=self.generator):
            if not isinstance(batch, list | tuple) or len(batch) != 2:
                raise ValueError(
                    f"the dataset gives a {type(batch).__name__}; it must give pairs of an input and a target"
                )
            inputs, targets = batch
            yield inputs.to(self.device), targets.to(self.device)


def open_source(dataset: Dataset[Any], device: torch.device) -> Source:
    """The fitting source: resident for a plain ``TensorDataset`` of inputs and targets, loading for any other.

    A subclass may change what a sample is, so it is read sample by sample.
    """
    if type(dataset) is TensorDataset and len(dataset.tensors) == 2:
        return ResidentSource(dataset, device)
    return LoadedSource(dataset, device)


def length(dataset: Dataset[Any]) -> int:
    """Number of samples of a map-style dataset.

    Raises:
        TypeError: the dataset has no length.
    """
    try:
        return len(dataset)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{type(dataset).__name__} has no length; a map-style dataset is needed") from None


def split(dataset: Dataset[Any], fraction: float, seed: int = 0) -> tuple[Dataset[Any], Dataset[Any]]:
    """Split a share of a dataset off at random.

    Args:
        dataset: a map-style dataset.
        fraction: the share to split off, in (0, 1].
        seed: of the permutation; the same split is made whatever the seed of a run is.

    Returns:
        The rest and the part that was split off.

    Raises:
        ValueError: one of the two would be empty.
    """
    check_share("fraction", fraction)
    size = length(dataset)
    count = round(size * fraction)
    if not 0 < count < size:
        raise ValueError(f"fraction={fraction!r} of {size} samples leaves one part of the split empty")
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    return _subset(dataset, order[count:]), _subset(dataset, order[:count])


def _subset(dataset: Dataset[Any], indices: Tensor) -> Dataset[Any]:
    if type(dataset) is TensorDataset:
        return TensorDataset(*(tensor[indices] for tensor in dataset.tensors))
    return Subset(dataset, indices.tolist())
