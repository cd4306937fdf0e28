"""Map-style datasets: their kinds, lengths and parts. For their extra abilities see :mod:`~.protocol`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from data_select_gym.arguments import check_count, check_share
from data_select_gym.tasks.protocol import is_measured, is_sliced


def lengths_of(dataset: Dataset[Any]) -> Tensor | None:
    """Sizes of the samples, ``(n,)`` on the host, if the dataset gives them; for a ``Subset``, those of its dataset.

    Raises:
        ValueError: they are not whole numbers, one for each sample.
    """
    if type(dataset) is Subset:
        whole = lengths_of(dataset.dataset)
        return None if whole is None else whole[torch.as_tensor(dataset.indices)]
    lengths = dataset.lengths if is_measured(dataset) else None
    if lengths is None:
        return None
    if not isinstance(lengths, Tensor) or is_fraction(lengths) or lengths.shape != (length(dataset),):
        found = f"{lengths.dtype} of shape {tuple(lengths.shape)}" if isinstance(lengths, Tensor) else repr(lengths)
        raise ValueError(
            f"{type(dataset).__name__}.lengths is {found:.100}; a tensor with a whole number for each of "
            f"{length(dataset)} samples is needed"
        )
    return lengths.cpu()


def is_fraction(numbers: Tensor) -> bool:
    """Whether a tensor is of another type than whole numbers."""
    return numbers.is_floating_point() or numbers.is_complex() or numbers.dtype == torch.bool


def check_dataset(name: str, dataset: Any) -> None:
    """Check that a dataset is map-style, without reading a sample.

    Raises:
        TypeError: it is not; the message says what to give instead.
    """
    kind, needed = type(dataset).__name__, "a map-style dataset is needed"
    if isinstance(dataset, DataLoader):
        raise TypeError(
            f"{name} is a {kind}; {needed}, such as the loader's own (loader.dataset), whose samples are chosen and "
            "put together here: batch_size goes to Recipe, num_workers and collate_fn to LoaderConfig"
        )
    if isinstance(dataset, IterableDataset):
        raise TypeError(
            f"{name} is a {kind}, an IterableDataset, which cannot give a sample by its number; {needed}, "
            f"such as list({name})"
        )
    if isinstance(dataset, list | tuple) and len(dataset) == 2 and all(map(_is_array, dataset)):
        raise TypeError(f"{name} is a {kind} of two arrays; {needed}, such as TensorDataset(*{name}) of tensors")
    if isinstance(dataset, str | bytes) or not hasattr(type(dataset), "__getitem__"):
        raise TypeError(f"{name} is a {kind}; {needed}, which gives a pair of an input and a target for each number")
    length(dataset, name)


def _is_array(value: Any) -> bool:
    return hasattr(type(value), "__array__") and hasattr(type(value), "dtype")


def length(dataset: Dataset[Any], name: str = "dataset") -> int:
    """Number of samples of a map-style dataset; ``name`` is for errors.

    Raises:
        TypeError: the dataset has no length.
    """
    try:
        return len(dataset)  # type: ignore[arg-type]
    except TypeError:
        kind = type(dataset).__name__
        raise TypeError(f"{name} is a {kind}, which has no length; a map-style dataset is needed") from None


def split(dataset: Dataset[Any], fraction: float, seed: int = 0) -> tuple[Dataset[Any], Dataset[Any]]:
    """Split off a random share of a dataset.

    Args:
        dataset: a map-style dataset.
        fraction: the share to split off, in (0, 1].
        seed: of the permutation; it is independent of the seed of a run.

    Returns:
        The rest and the part that was split off.

    Raises:
        ValueError: one of the two would be empty, or ``seed`` is below 0.
        TypeError: the dataset has no length.
    """
    rest, part = split_rows(length(dataset), fraction, seed)
    return rows_of(dataset, rest), rows_of(dataset, part)


def split_rows(size: int, fraction: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The rows, int64 on the host, of the two parts into which :func:`split` divides ``size`` samples.

    Raises:
        ValueError: one of the two would be empty, or ``seed`` is below 0.
    """
    share = check_share("fraction", fraction)
    seed = check_count("seed", seed, least=0)
    count = round(size * share)
    if not 0 < count < size:
        raise ValueError(f"fraction={fraction!r} of {size} samples leaves one part of the split empty")
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    return order[count:], order[:count]


def rows_of(dataset: Dataset[Any], indices: Tensor) -> Dataset[Any]:
    """The dataset of the rows at ``indices``, int64 ``(k,)`` on the host.

    Raises:
        ValueError: the ``rows`` method of the dataset does not give one sample for each index.
    """
    if type(dataset) is TensorDataset:
        return TensorDataset(*(tensor[indices] for tensor in dataset.tensors))
    if is_sliced(dataset):
        part = dataset.rows(indices)
        if length(part, "rows(indices)") != len(indices):
            raise ValueError(
                f"{type(dataset).__name__}.rows gives {length(part)} samples for {len(indices)} indices; it must give "
                "one for each"
            )
        return part
    return Subset(dataset, indices.tolist())


def whole_of(dataset: Dataset[Any]) -> Dataset[Any]:
    """The dataset that a ``Subset``, or a subset of one, is part of; any other dataset itself."""
    return whole_of(dataset.dataset) if type(dataset) is Subset else dataset
