"""Sources: batches of a dataset on the model's device, by the fastest way that the dataset allows."""

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

# A minibatch that several processes read is cut into parts of at least so many samples, and into so many at most: each
# takes some tenths of a millisecond beside the reading, and an open file for each of its tensors.
LEAST_SAMPLES = 4
MOST_PARTS = 8


@dataclass(frozen=True)
class LoaderConfig:
    """How a dataset is read that has to be read sample by sample.

    Attributes:
        workers: processes that read beside the training; 0 to read in between.
        prefetch: minibatches that are read ahead for each of them.
        collate: from a list of samples to a pair of inputs and targets, one of each for every sample; PyTorch's own
            way if None. Only in that way can several processes read a minibatch together.
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
        # A loader takes no numbers of NumPy's.
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
            then: what the next call is going to ask for, if that is known: it may be read already.
        """

    def close(self) -> None:
        """End the processes that read, if there are any; they begin anew if there are batches to read again."""


class ResidentLoader:
    """A dataset of tensors, kept whole on the device, or on the host if it would take too much of a GPU's memory."""

    def __init__(self, dataset: TensorDataset, device: torch.device) -> None:
        self.device = device
        self.home = device if fits(dataset, device) else torch.device("cpu")
        self.inputs, self.targets = (tensor.to(self.home) for tensor in dataset.tensors)

    def batches(self, indices: Sequence[Tensor], then: Sequence[Tensor] = ()) -> Iterator[Batch]:
        """See :class:`BatchLoader`."""
        for chosen in indices:
            rows = chosen.to(self.home, non_blocking=True)
            yield to_device(self.inputs[rows], self.device), to_device(self.targets[rows], self.device)

    def close(self) -> None:
        """Nothing is open."""


class BatchedLoader:
    """A dataset that makes its batches itself, on the device."""

    def __init__(self, dataset: Batched, device: torch.device) -> None:
        self.dataset = dataset.to(device)

    def batches(self, indices: Sequence[Tensor], then: Sequence[Tensor] = ()) -> Iterator[Batch]:
        """See :class:`BatchLoader`."""
        for chosen in indices:
            yield self.dataset.batch(chosen)

    def close(self) -> None:
        """Nothing is open."""


class WorkerLoader:
    """Any map-style dataset of pairs, read sample by sample: what is not asked for is never opened.

    Its worker processes, if there are any, live until it is closed. They read each minibatch together, and go on with
    what comes next. One pass at a time.
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
            # Of the seeds of its processes; a loader would draw them from the global one.
            generator=torch.Generator().manual_seed(seed),
        )
        self.reading: Iterator[Any] = iter(())
        self.unread: deque[Tensor] = deque()
        self.expected: list[Tensor] = []

    def batches(self, indices: Sequence[Tensor], then: Sequence[Tensor] = ()) -> Iterator[Batch]:
        """See :class:`BatchLoader`.

        Raises:
            PairError: a sample is not a pair of an input and a target, or ``collate`` does not make one of them.
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
        """See :class:`BatchLoader`."""
        self.reading, self.expected = iter(()), []
        reading, self.loader._iterator = self.loader._iterator, None
        # PyTorch ends them when the last reference is gone, which an exception's traceback can hold for long.
        end = getattr(reading, "_shutdown_workers", None)
        if end is not None:
            end()

    def _begin(self, indices: Sequence[Tensor], then: Sequence[Tensor]) -> None:
        """Go on reading if this is what was to come, which the last pass has left in the order; else start anew."""
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
        """Let one more minibatch be read, if there is one."""
        if self.unread:
            self.order.parts.extend(part.tolist() for part in self._cut(self.unread.popleft()))

    def _cut(self, chosen: Tensor) -> tuple[Tensor, ...]:
        return chosen.tensor_split(max(1, min(self.parts, len(chosen) // LEAST_SAMPLES)))


class _Order:
    """A batch sampler that ends where there is nothing to be read, and goes on when there is more."""

    def __init__(self) -> None:
        self.parts: deque[list[int]] = deque()

    def __iter__(self) -> Iterator[list[int]]:
        return self

    def __next__(self) -> list[int]:
        if not self.parts:
            raise StopIteration
        return self.parts.popleft()


def fits(dataset: TensorDataset, device: torch.device) -> bool:
    """Whether a dataset takes no more than half of the memory that is free; on the host it is already."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return sum(tensor.nbytes for tensor in dataset.tensors) <= free / 2


def make_loader(
    dataset: Dataset[Any], device: torch.device, loading: LoaderConfig | None = None, *, seed: int = 0
) -> BatchLoader:
    """The fitting source: resident for a plain ``TensorDataset`` of inputs and targets, loading for most others.

    A subclass may change what a sample is, so it is read sample by sample.

    Args:
        dataset: a map-style dataset.
        device: where batches are wanted.
        loading: how it is read, if it has to be loaded.
        seed: of what a dataset draws at random in worker processes, a whole number of at least 0; one that is read in
            this process draws from the global generators.

    Raises:
        ValueError: ``seed`` is no such number.
    """
    seed = check_count("seed", seed, least=0)
    if is_resident(dataset):
        return ResidentLoader(dataset, device)
    if is_batched(dataset):
        return BatchedLoader(dataset, device)
    return WorkerLoader(dataset, device, loading or LoaderConfig(), seed)
