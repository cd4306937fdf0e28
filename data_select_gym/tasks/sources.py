"""Sources: batches of a dataset on the model's device, by the fastest way that the dataset allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from data_select_gym.arguments import check_callable, check_count
from data_select_gym.tasks.data import NO_PAIR, Batch, Batched, is_resident


@dataclass(frozen=True)
class Loading:
    """How a dataset is read that has to be read sample by sample.

    Attributes:
        workers: processes that read beside the training; 0 to read in between.
        prefetch: minibatches that each of them reads ahead.
        collate: from a list of samples to a pair of inputs and targets; PyTorch's own way if None.
    """

    workers: int = 0
    prefetch: int = 2
    collate: Callable[[list[Any]], Batch] | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: ``workers`` below 0 or ``prefetch`` below 1.
            TypeError: ``collate`` cannot be called.
        """
        check_count("workers", self.workers, least=0)
        check_count("prefetch", self.prefetch)
        if self.collate is not None:
            check_callable("collate", self.collate)


class Source(Protocol):
    """Batches by index."""

    def batches(self, indices: list[Tensor]) -> Iterator[Batch]:
        """One pair of inputs and targets on the device for each int64 tensor of indices (on the host)."""

    def close(self) -> None:
        """End the processes that read, if there are any; they begin anew if there are batches to read again."""


class ResidentSource:
    """A dataset of tensors, kept whole on the device."""

    def __init__(self, dataset: TensorDataset, device: torch.device) -> None:
        self.device = device
        self.inputs, self.targets = (tensor.to(device) for tensor in dataset.tensors)

    def batches(self, indices: list[Tensor]) -> Iterator[Batch]:
        """See :class:`Source`."""
        for chosen in indices:
            rows = chosen.to(self.device, non_blocking=True)
            yield self.inputs[rows], self.targets[rows]

    def close(self) -> None:
        """Nothing is open."""


class BatchedSource:
    """A dataset that makes its batches itself, on the device."""

    def __init__(self, dataset: Batched, device: torch.device) -> None:
        self.dataset = dataset.to(device)

    def batches(self, indices: list[Tensor]) -> Iterator[Batch]:
        """See :class:`Source`."""
        for chosen in indices:
            yield self.dataset.batch(chosen)

    def close(self) -> None:
        """Nothing is open."""


class LoadedSource:
    """Any map-style dataset of pairs, read sample by sample: what is not asked for is never opened.

    Its worker processes, if there are any, live until it is closed. One pass at a time.
    """

    def __init__(self, dataset: Dataset[Any], device: torch.device, loading: Loading) -> None:
        self.device = device
        self.order = _Order()
        self.loader = DataLoader(
            dataset,
            batch_sampler=self.order,
            num_workers=loading.workers,
            prefetch_factor=loading.prefetch if loading.workers else None,
            persistent_workers=loading.workers > 0,
            collate_fn=loading.collate,
            pin_memory=device.type == "cuda",
            # A loader draws a seed from the global generator unless it is given one of its own.
            generator=torch.Generator(),
        )

    def batches(self, indices: list[Tensor]) -> Iterator[Batch]:
        """See :class:`Source`.

        Raises:
            ValueError: a sample is not a pair of an input and a target.
        """
        self.order.batches = [chosen.tolist() for chosen in indices]
        for batch in self.loader:
            if not isinstance(batch, list | tuple) or len(batch) != 2:
                raise ValueError(NO_PAIR.format(type(batch).__name__))
            inputs, targets = batch
            yield to_device(inputs, self.device), to_device(targets, self.device)

    def close(self) -> None:
        """See :class:`Source`."""
        reading, self.loader._iterator = self.loader._iterator, None
        # PyTorch ends them when the last reference is gone, which an exception's traceback can hold for long.
        end = getattr(reading, "_shutdown_workers", None)
        if end is not None:
            end()


class _Order:
    """A batch sampler whose batches are set anew before each pass, so that one loader serves them all."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)


def to_device(value: Any, device: torch.device) -> Any:
    """A tensor, or all tensors in a nesting of dicts, lists and tuples, on a device; anything else as it is."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {name: to_device(entry, device) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        moved = [to_device(entry, device) for entry in value]
        return moved if isinstance(value, list) else tuple(moved)
    return value


def open_source(dataset: Dataset[Any], device: torch.device, loading: Loading | None = None) -> Source:
    """The fitting source: resident for a plain ``TensorDataset`` of inputs and targets, loading for most others.

    A subclass may change what a sample is, so it is read sample by sample.

    Args:
        dataset: a map-style dataset.
        device: where batches are wanted.
        loading: how it is read, if it has to be loaded.
    """
    if is_resident(dataset):
        return ResidentSource(dataset, device)
    if isinstance(dataset, Batched):
        return BatchedSource(dataset, device)
    return LoadedSource(dataset, device, loading or Loading())
