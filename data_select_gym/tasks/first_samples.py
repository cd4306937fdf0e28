"""A look at the first samples of a dataset, so that one of the wrong kind is told before anything is trained."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import Dataset, Subset

from data_select_gym.randomness import RNGScope
from data_select_gym.tasks.collation import PairError
from data_select_gym.tasks.data import length
from data_select_gym.tasks.loaders import LoaderConfig, make_loader
from data_select_gym.tasks.objectives import ChecksTargets, Objective
from data_select_gym.tasks.protocol import Batch, has_methods, is_batched, is_resident, is_stored


def check_first_samples(name: str, dataset: Dataset[Any], loading: LoaderConfig, objective: Objective) -> None:
    """Check that the first two samples make a batch, with targets that the objective takes if it can tell.

    Those that a dataset of this package's kind would have to open are believed to be pairs.

    Args:
        name: what errors call the dataset.
        dataset: a map-style dataset with at least one sample.
        loading: how it is read.
        objective: of the task.

    Raises:
        ValueError: a sample is not a pair, there is none of that number, or the targets do not fit the objective.
    """
    if loading.collate is None and is_stored(_whole(dataset)) and not is_batched(dataset):
        return
    try:
        _, targets = _first(dataset, loading)
    except LookupError as error:
        raise ValueError(
            f"{name}: reading its first samples ends in {error!r:.200}; a {type(dataset).__name__} of "
            f"{length(dataset)} samples must give one for each number from 0 to {length(dataset) - 1}"
        ) from error
    except PairError as error:
        raise ValueError(f"{name}: {error}") from error
    if has_methods(objective, ChecksTargets, "__call__"):
        try:
            objective.check_targets(targets)  # type: ignore[attr-defined]
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def _whole(dataset: Dataset[Any]) -> Dataset[Any]:
    return _whole(dataset.dataset) if type(dataset) is Subset else dataset


def _first(dataset: Dataset[Any], loading: LoaderConfig) -> Batch:
    # In a process if others are to read: what a dataset opens is not to be open already when they begin.
    alone = replace(loading, workers=min(loading.workers, 1), prefetch=1)
    device = dataset.tensors[0].device if is_resident(dataset) else torch.device("cpu")
    with RNGScope(0, device), closing(make_loader(dataset, device, alone)) as source:
        (batch,) = source.batches([torch.arange(min(2, length(dataset)))])
    return batch
