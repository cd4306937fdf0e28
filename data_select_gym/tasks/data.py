"""Map-style datasets: their labels, lengths and parts.

A dataset may have more than PyTorch asks for, and it is used where it is there:

- ``targets``: the labels, int64 ``(n,)``, as torchvision's datasets have them; else they are read sample by sample;
- ``lengths``: sizes of the samples, int64 ``(n,)`` on the host; minibatches are then made of samples of like size;
- ``rows(indices)``, and maybe ``relabelled(targets)``: the dataset of some of the rows, or with other labels, see
  :class:`Sliced` and :class:`Stored`; else it is wrapped;
- ``batch(indices)`` and ``to(device)``: makes whole batches by itself, see :class:`Batched`; else it is loaded.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, TypeGuard, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Subset, TensorDataset

from data_select_gym.arguments import check_count, check_share

NO_PAIR = (
    "the dataset gives a {}; it must give pairs of an input and a target, or have a batch made a pair by "
    "Loading(collate=...)"
)
# Inputs and targets: tensors, or tensors in dicts, lists and tuples.
Batch: TypeAlias = tuple[Any, Any]


@runtime_checkable
class Sliced(Protocol):
    """A dataset that gives a part of itself without a wrapper around each sample."""

    def rows(self, indices: Tensor) -> Dataset[Any]:
        """The dataset of the rows at ``indices``, int64 ``(k,)`` on the host."""


@runtime_checkable
class Stored(Sliced, Protocol):
    """A dataset that gives a part of itself, and itself with other labels, without a wrapper around each sample."""

    def relabelled(self, targets: Tensor) -> Dataset[Any]:
        """The same inputs with the labels ``targets``, int64 ``(n,)`` on the host."""


@runtime_checkable
class Batched(Protocol):
    """A dataset that makes whole batches by tensor operations."""

    def to(self, device: torch.device) -> Batched:
        """A copy whose batches are made on a device."""

    def batch(self, indices: Tensor) -> Batch:
        """Inputs and targets of the rows at ``indices``, int64 ``(k,)`` on the host."""


def is_resident(dataset: Dataset[Any]) -> TypeGuard[TensorDataset]:
    """Whether it is a plain ``TensorDataset`` of inputs and targets."""
    return type(dataset) is TensorDataset and len(dataset.tensors) == 2


def lengths_of(dataset: Dataset[Any]) -> Tensor | None:
    """Sizes of the samples, int64 ``(n,)`` on the host, if the dataset gives them; a ``Subset`` is looked through."""
    if type(dataset) is Subset:
        whole = lengths_of(dataset.dataset)
        return None if whole is None else whole[torch.as_tensor(dataset.indices)]
    lengths = getattr(dataset, "lengths", None)
    return lengths.cpu() if isinstance(lengths, Tensor) else None


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


def targets_in_memory(dataset: Dataset[Any]) -> Tensor | None:
    """The targets as they are stored, if that is one tensor; a ``Subset`` is looked through."""
    if type(dataset) is Subset:
        whole = targets_in_memory(dataset.dataset)
        return None if whole is None else whole[torch.as_tensor(dataset.indices)]
    targets = dataset.tensors[1] if is_resident(dataset) else getattr(dataset, "targets", None)
    return targets if isinstance(targets, Tensor) else None


def length(dataset: Dataset[Any], name: str = "dataset") -> int:
    """Number of samples of a map-style dataset, which an error calls by ``name``.

    Raises:
        TypeError: the dataset has no length.
    """
    try:
        return len(dataset)  # type: ignore[arg-type]
    except TypeError:
        kind = type(dataset).__name__
        raise TypeError(f"{name} is a {kind}, which has no length; a map-style dataset is needed") from None


def split(dataset: Dataset[Any], fraction: float, seed: int = 0) -> tuple[Dataset[Any], Dataset[Any]]:
    """Split a share of a dataset off at random.

    Args:
        dataset: a map-style dataset.
        fraction: the share to split off, in (0, 1].
        seed: of the permutation; the same split is made whatever the seed of a run is.

    Returns:
        The rest and the part that was split off.

    Raises:
        ValueError: one of the two would be empty, or ``seed`` is below 0.
        TypeError: the dataset has no length.
    """
    rest, part = split_rows(length(dataset), fraction, seed)
    return rows_of(dataset, rest), rows_of(dataset, part)


def split_rows(size: int, fraction: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The rows, int64 on the host, of the two parts that :func:`split` makes of ``size`` samples.

    Raises:
        ValueError: one of the two would be empty, or ``seed`` is below 0.
    """
    check_share("fraction", fraction)
    check_count("seed", seed, least=0)
    count = round(size * fraction)
    if not 0 < count < size:
        raise ValueError(f"fraction={fraction!r} of {size} samples leaves one part of the split empty")
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    return order[count:], order[:count]


def rows_of(dataset: Dataset[Any], indices: Tensor) -> Dataset[Any]:
    """The dataset of the rows at ``indices``, int64 ``(k,)`` on the host."""
    if type(dataset) is TensorDataset:
        return TensorDataset(*(tensor[indices] for tensor in dataset.tensors))
    if isinstance(dataset, Sliced):
        return dataset.rows(indices)
    return Subset(dataset, indices.tolist())
