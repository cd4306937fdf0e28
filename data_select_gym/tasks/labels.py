"""The labels of a dataset: looked up if they are known, read with the samples if not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Subset

from data_select_gym.randomness import RNGScope
from data_select_gym.tasks.collation import Collation, check_pair
from data_select_gym.tasks.data import length, whole_of
from data_select_gym.tasks.loaders import LoaderConfig, make_loader
from data_select_gym.tasks.protocol import Batch, is_resident, is_stored

CPU = torch.device("cpu")
READ_AT_ONCE = 256
# Samples opened, over the whole dataset, before ``targets`` that were merely found by name are trusted.
COMPARED = 16


def labels_of(dataset: Dataset[Any], loading: LoaderConfig | None = None) -> Tensor:
    """The labels of a classification dataset as training sees them, int64 ``(n,)`` on the host.

    They are those of a plain ``TensorDataset``, or the ``targets`` of a :class:`~.protocol.Stored` dataset, also behind
    a ``Subset``. For any other dataset with ``targets``, as torchvision's have, some samples are opened, and if their
    labels agree all are trusted. Otherwise, or if a ``target_transform`` changes the labels, every sample is read once,
    which takes as long as an epoch of loading.

    Args:
        dataset: a map-style dataset.
        loading: how it is read.

    Raises:
        ValueError: they are not whole numbers of at least 0, one for each sample, or a sample is not a pair.
    """
    loading = loading or LoaderConfig()
    stored = _stored_labels(dataset)
    if stored is None or not (is_believed(dataset, loading) or _agree(dataset, stored, loading)):
        stored = _read_labels(dataset, torch.arange(length(dataset)), loading)
    if stored.dtype.kind not in "iu" or stored.shape != (length(dataset),):
        raise ValueError(
            f"the labels are {stored.dtype} of shape {stored.shape}; a whole number for each of {length(dataset)} "
            "samples is needed"
        )
    if stored.min() < 0:
        raise ValueError(f"the labels go down to {stored.min()}; each must be at least 0")
    return torch.from_numpy(stored.astype(np.int64))


def check_class_numbers(sets: Mapping[str, Dataset[Any]], loading: LoaderConfig) -> None:
    """Check that labels that are in memory number the classes from 0; other labels are left for training to check.

    Raises:
        ValueError: a label is below 0.
    """
    known = {
        name: targets
        for name, dataset in sets.items()
        if is_believed(dataset, loading) and (targets := targets_in_memory(dataset)) is not None
    }
    for name, targets in known.items():
        if targets.min() < 0:
            raise ValueError(f"{name}: the labels go down to {int(targets.min())}; classes are numbered from 0")
    least = min((int(targets.min()) for targets in known.values()), default=0)
    # Numbering from 1 is a common slip. Other gaps are classes that a set happens to lack.
    if least == 1 and len(known) == len(sets):
        most = max(int(targets.max()) for targets in known.values())
        warnings.warn(
            f"the labels of {' and '.join(sets)} go from 1 to {most} and none is 0; classes are numbered from 0, "
            f"so a model of {most} outputs needs labels from 0 to {most - 1}",
            stacklevel=4,
        )


def targets_in_memory(dataset: Dataset[Any]) -> Tensor | None:
    """The stored targets, also behind a ``Subset``, if they are one tensor."""
    if type(dataset) is Subset:
        whole = targets_in_memory(dataset.dataset)
        return None if whole is None else whole[torch.as_tensor(dataset.indices)]
    targets = dataset.tensors[1] if is_resident(dataset) else getattr(dataset, "targets", None)
    return targets if isinstance(targets, Tensor) else None


def _stored_labels(dataset: Dataset[Any]) -> NDArray[Any] | None:
    if is_resident(dataset):
        return _flat(dataset.tensors[1].cpu().numpy())
    if type(dataset) is Subset:
        whole = _stored_labels(dataset.dataset)
        return None if whole is None or whole.ndim == 0 else whole[np.asarray(dataset.indices)]
    targets = getattr(dataset, "targets", None)
    if targets is None or getattr(dataset, "target_transform", None) is not None:
        return None
    try:
        return _flat(np.asarray(targets.cpu() if isinstance(targets, Tensor) else targets))
    # An attribute of that name may be anything, such as lists of different lengths.
    except (TypeError, ValueError):
        return None


def _flat(labels: NDArray[Any]) -> NDArray[Any]:
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def is_believed(dataset: Dataset[Any], loading: LoaderConfig) -> bool:
    """Whether stored labels are trusted without a comparison with the samples', which a collate function may change."""
    if type(dataset) is Subset:
        return is_believed(dataset.dataset, loading)
    return is_resident(dataset) or (is_stored(dataset) and loading.collate is None)


def _agree(dataset: Dataset[Any], stored: NDArray[Any], loading: LoaderConfig) -> bool:
    """Whether stored labels agree with those of some samples; if not, a warning says what was found."""
    if stored.shape != (length(dataset),):
        found = f"are {stored.dtype} of shape {stored.shape}, and there are {length(dataset)} samples"
    else:
        places = np.unique(np.linspace(0, length(dataset) - 1, COMPARED).round().astype(np.int64))
        read, looked_up = _read_labels(dataset, torch.from_numpy(places), loading), stored[places]
        alike = read.shape == looked_up.shape and (looked_up.dtype.kind in "iu" or read.dtype.kind not in "iu")
        different = np.flatnonzero(read != looked_up) if alike else np.arange(1)
        if not len(different):
            return True
        first = int(different[0])
        found = f"have {looked_up[first]} for sample {int(places[first])}, of which the label is {read[first]}"
    warnings.warn(
        f"the targets of {type(whole_of(dataset)).__name__} {found}; they are not used, and the labels are read with "
        "the samples",
        stacklevel=3,
    )
    return False


def _read_labels(dataset: Dataset[Any], places: Tensor, loading: LoaderConfig) -> NDArray[Any]:
    alone = replace(loading, collate=_Labels(loading.collate))
    with RNGScope(0, CPU), closing(make_loader(dataset, CPU, alone)) as source:
        parts = [targets for _, targets in source.batches(list(torch.split(places, READ_AT_ONCE)))]
    return np.concatenate([np.atleast_1d(_flat(_array(part))) for part in parts])


def _array(labels: Any) -> NDArray[Any]:
    try:
        return np.asarray(labels)
    # Of different forms, or more than numbers.
    except (TypeError, ValueError, RuntimeError):
        return np.fromiter(labels, dtype=object)


@dataclass(frozen=True)
class _Labels:
    """The labels of samples, without making a batch of their inputs."""

    collate: Callable[[list[Any]], Batch] | None

    def __call__(self, samples: list[Any]) -> tuple[None, Any]:
        if self.collate is not None:
            return None, Collation(self.collate)(samples)[1]
        return None, _array([label for _, label in map(check_pair, samples)])
