"""Batches of a map-style dataset on the model's device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from data_select_gym.arguments import check_share

NO_PAIR = "the dataset gives a {}; it must give pairs of an input and a target"


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
                raise ValueError(NO_PAIR.format(type(batch).__name__))
            inputs, targets = batch
            yield inputs.to(self.device), targets.to(self.device)


def open_source(dataset: Dataset[Any], device: torch.device) -> Source:
    """The fitting source: resident for a plain ``TensorDataset`` of inputs and targets, loading for any other.

    A subclass may change what a sample is, so it is read sample by sample.
    """
    return ResidentSource(dataset, device) if is_resident(dataset) else LoadedSource(dataset, device)


def is_resident(dataset: Dataset[Any]) -> TypeGuard[TensorDataset]:
    """Whether it is a plain ``TensorDataset`` of inputs and targets."""
    return type(dataset) is TensorDataset and len(dataset.tensors) == 2


def labels_of(dataset: Dataset[Any]) -> Tensor:
    """The labels of a classification dataset, int64 ``(n,)`` on the host.

    They are those of a plain ``TensorDataset``, or ``dataset.targets`` as torchvision's datasets have it; a ``Subset``
    is looked through. Of any other dataset, or where a ``target_transform`` changes the labels, every sample is read
    once, which takes as long as an epoch of loading.

    Raises:
        ValueError: they are not whole numbers of at least 0, one for each sample, or a sample is not a pair.
    """
    stored = _stored_labels(dataset)
    if stored is None:
        stored = np.asarray([_label(dataset, number) for number in range(length(dataset))])
    if stored.dtype.kind not in "iu" or stored.shape != (length(dataset),):
        raise ValueError(
            f"the labels are {stored.dtype} of shape {stored.shape}; a whole number for each of {length(dataset)} "
            "samples is needed"
        )
    if stored.min() < 0:
        raise ValueError(f"the labels go down to {stored.min()}; each must be at least 0")
    return torch.from_numpy(stored.astype(np.int64))


def _stored_labels(dataset: Dataset[Any]) -> NDArray[Any] | None:
    if is_resident(dataset):
        return dataset.tensors[1].cpu().numpy()
    if type(dataset) is Subset:
        whole = _stored_labels(dataset.dataset)
        return None if whole is None else whole[np.asarray(dataset.indices)]
    targets = getattr(dataset, "targets", None)
    if targets is None or getattr(dataset, "target_transform", None) is not None:
        return None
    return np.asarray(targets.cpu() if isinstance(targets, Tensor) else targets)


def _label(dataset: Dataset[Any], number: int) -> Any:
    sample = dataset[number]
    if not isinstance(sample, list | tuple) or len(sample) != 2:
        raise ValueError(NO_PAIR.format(type(sample).__name__))
    return sample[1]


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
