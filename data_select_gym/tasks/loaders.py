"""Loaders: batches of a dataset on the model's device, in the fastest way that the dataset allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from data_select_gym.arguments import check_callable, check_count
from data_select_gym.tasks.collation import Collation, check_pair
from data_select_gym.tasks.joining import collated_part, joined, to_device
from data_select_gym.tasks.protocol import Batch, Batched, is_batched, is_resident

# A minibatch read by several processes is cut into parts of at least so many samples, and at most so many parts: each
# takes some tenths of a millisecond beyond the reading, and an open file for each of its tensors.
LEAST_SAMPLES = 4
MOST_PARTS = 8


@dataclass(frozen=True)
class LoaderConfig:
    """How to read a dataset sample by sample.

    Attributes:
        workers: worker processes; 0 to read in the training process.
        prefetch: minibatches read ahead for each worker.
        collate: from a list of samples to a pair of inputs and targets, one of each for every sample. None for
            PyTorch's default, the only one with which several workers share a minibatch.
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
        # A DataLoader refuses NumPy's numbers.
        object.__setattr__(self, "workers", check_count("workers", self.workers, least=0))
        object.__setattr__(self, "prefetch", check_count("prefetch", self.prefetch))
        if self.collate is not None:
            check_callable("collate", self.collate)


class BatchLoader(Protocol):
    """Batches by index."""

    def batches(self, indices: Sequence[Tensor], then: Sequence[Tensor] = ()) -> Iterator[Batch]:
        """One pair of inputs and targets on the device for each int64 tensor of indices (on the host).

        Args:
            indices: of the samples of each batch.
            then: the indices of the next call, if they are known, so that reading can start.
        """

    def close(self) -> None:
        """Stop the worker processes, if there are any; they restart when batches are read again."""


class ResidentLoader:
    """A dataset of tensors on the device, or on the host if it would take too much of a GPU's memory."""

    def __init__(self, dataset: TensorDataset, device: torch.device) -> None:
        self.device = device
        self.home = device if fits(dataset, device) else torch.device("cpu")
        self.inputs, self.targets = (tensor.to(self.home) for tensor in dataset.tensors)

    def batches(self, indices: Sequence[Tensor], then: Sequence[Tensor] = ()) -> Iterator[Batch]:
        for chosen in indices:
            rows = chosen.to(self.home, non_blocking=True)
            yield to_device(self.inputs[rows], self.device), to_device(self.targets[rows], self.device)

    def close(self) -> None:
        """Nothing is open."""


class BatchedLoader:
    """A dataset that makes its own batches, on the device."""

    def __init__(self, dataset: Batched, device: torch.device) -> None:
        self.dataset = dataset.to(device)

    def batches(self, indices: Sequence[Tensor], then: Sequence[Tensor] = ()) -> Iterator[Batch]:
        for chosen in indices:
            yield self.dataset.batch(chosen)

    def close(self) -> None:
        """Nothing is open."""


class WorkerLoader:
    """Any map-style dataset of pairs, read sample by sample: a sample that is not requested is never opened.

    Its worker processes, if there are any, live until it is closed. They share each minibatch and continue with the
    next one. Only one pass at a time.
    """

    def __init__(self, dataset: Dataset[Any], device: torch.device, loading: LoaderConfig, seed: int) -> None:
        self.device = device
        self.parts = min(loading.workers, MOST_PARTS) if loading.collate is None else 1
        self.ahead = loading.prefetch * loading.workers
        self.order = _Order()
        own = None if loading.collate is None else Collation(loading.collate)
        self.loader = DataLoader(
            dataset,
            batch_sampler=self.order,
            num_workers=loading.workers,
            prefetch_factor=loading.prefetch * self.parts if loading.workers else None,
            persistent_workers=loading.workers > 0,
            collate_fn=collated_part if self.parts > 1 else own,
            pin_memory=device.type == "cuda",
            # For the seeds of the workers, which would otherwise come from the global generator.
            generator=torch.Generator().manual_seed(seed),
        )
        self.reading: Iterator[Any] = iter(())
        self.unread: deque[Tensor] = deque()
        self.expected: list[Tensor] = []

    def batches(self, indices: Sequence[Tensor], then: Sequence[Tensor] = ()) -> Iterator[Batch]:
        """Batches, as :class:`BatchLoader` says.

        Raises:
            PairError: a sample is not a pair of an input and a target, or ``collate`` does not return one.
        """
        self._begin(indices, then)
        reading = self.reading
        for chosen in indices:
            self._read_on()
            parts = [next(reading) for _ in self._cut(chosen)]
            batch = joined(parts, self.device) if self.parts > 1 else to_device(parts[0], self.device)
            yield check_pair(batch)
        self.expected = list(then)

    def close(self) -> None:
        self.reading, self.expected = iter(()), []
        reading, self.loader._iterator = self.loader._iterator, None
        # PyTorch stops the workers with the last reference, which an exception's traceback can keep for long.
        end = getattr(reading, "_shutdown_workers", None)
        if end is not None:
            end()

    def _begin(self, indices: Sequence[Tensor], then: Sequence[Tensor]) -> None:
        """Continue reading if these batches were announced to the last pass; otherwise start again."""
        expected, self.expected = self.expected, []
        if expected and len(expected) == len(indices) and all(map(torch.equal, expected, indices)):
            self.unread.extend(then)
            return
        self.order.parts.clear()
        self.unread = deque([*indices, *then])
        for _ in range(self.ahead):
            self._read_on()
        self.reading = iter(self.loader)

    def _read_on(self) -> None:
        """Queue one more minibatch, if there is one."""
        if self.unread:
            self.order.parts.extend(part.tolist() for part in self._cut(self.unread.popleft()))

    def _cut(self, chosen: Tensor) -> tuple[Tensor, ...]:
        return chosen.tensor_split(max(1, min(self.parts, len(chosen) // LEAST_SAMPLES)))


class _Order:
    """A batch sampler that ends when nothing is queued, and continues when there is more."""

    def __init__(self) -> None:
        self.parts: deque[list[int]] = deque()

    def __iter__(self) -> Iterator[list[int]]:
        return self

    def __next__(self) -> list[int]:
        if not self.parts:
            raise StopIteration
        return self.parts.popleft()


def fits(dataset: TensorDataset, device: torch.device) -> bool:
    """Whether a dataset takes at most half of a GPU's free memory; always true on the host."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return sum(tensor.nbytes for tensor in dataset.tensors) <= free / 2


def make_loader(
    dataset: Dataset[Any], device: torch.device, loading: LoaderConfig | None = None, *, seed: int = 0
) -> BatchLoader:
    """The right loader: resident for a plain ``TensorDataset`` of inputs and targets, reading samples for most others.

    A subclass may change what a sample is, so it is read sample by sample.

    Args:
        dataset: a map-style dataset.
        device: where batches are needed.
        loading: how to read it, if it is read sample by sample.
        seed: for random draws in worker processes, a whole number of at least 0; a dataset that is read in this
            process draws from the global generators.

    Raises:
        ValueError: ``seed`` is no such number.
    """
    seed = check_count("seed", seed, least=0)
    if is_resident(dataset):
        return ResidentLoader(dataset, device)
    if is_batched(dataset):
        return BatchedLoader(dataset, device)
    return WorkerLoader(dataset, device, loading or LoaderConfig(), seed)
