"""Checks of a dataset's first samples, so that a wrong kind is reported before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.data import Dataset, default_collate

from data_select_gym.randomness import RNGScope
from data_select_gym.tasks.collation import Collation, PairError, check_pair
from data_select_gym.tasks.data import length, whole_of
from data_select_gym.tasks.loaders import LoaderConfig, make_loader
from data_select_gym.tasks.objectives import ChecksTargets, Objective
from data_select_gym.tasks.protocol import Batch, has_methods, is_batched, is_resident, is_stored

# A custom collate function may drop broken samples, which more samples are likelier to show.
FIRST, FIRST_COLLATED = 2, 16


def check_first_samples(name: str, dataset: Dataset[Any], loading: LoaderConfig, objective: Objective) -> None:
    """Check that the first samples make a batch, with targets that the objective takes if it can tell.

    A :class:`~.protocol.Stored` dataset that would have to open its samples is trusted.

    Args:
        name: what errors call the dataset.
        dataset: a map-style dataset with at least one sample.
        loading: how it is read.
        objective: of the task.

    Raises:
        ValueError: a sample is not a pair, the samples make no batch, an index is missing, or the targets do not fit
            the objective.
    """
    whole = whole_of(dataset)
    if loading.collate is None and is_stored(whole) and not is_batched(dataset):
        return
    try:
        targets = _first_targets(dataset, loading)
    except LookupError as error:
        raise ValueError(
            f"{name}: reading its first samples ends in {error!r:.200}; a {type(whole).__name__} of "
            f"{length(whole)} samples must give one for each number from 0 to {length(whole) - 1}"
        ) from error
    except PairError as error:
        raise ValueError(f"{name}: {error}") from error
    if has_methods(objective, ChecksTargets, "__call__"):
        try:
            objective.check_targets(targets)  # type: ignore[attr-defined]
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def _first_targets(dataset: Dataset[Any], loading: LoaderConfig) -> Any:
    count = FIRST if loading.collate is None else FIRST_COLLATED
    # In a worker if others will read: what a dataset opens must not be open already when they start.
    alone = replace(loading, workers=min(loading.workers, 1), prefetch=1, collate=_Inspected(loading.collate))
    device = dataset.tensors[0].device if is_resident(dataset) else torch.device("cpu")
    with RNGScope(0, device), closing(make_loader(dataset, device, alone)) as loader:
        ((inputs, targets),) = loader.batches([torch.arange(min(count, length(dataset)))])
    if not isinstance(inputs, _Findings):
        return targets
    if inputs.problem is not None:
        raise PairError(inputs.problem)
    return inputs.targets


class _Findings:
    """What a reading process reports of the first samples.

    Errors go back as text, since PyTorch would wrap one that is raised there in its traceback.
    """

    def __init__(self, problem: str | None, targets: Any) -> None:
        self.problem = problem
        self.targets = targets


@dataclass(frozen=True)
class _Inspected:
    """Collates as ``collate`` does, or as PyTorch does if None, and reports what is wrong."""

    collate: Callable[[list[Any]], Batch] | None

    def __call__(self, samples: list[Any]) -> Batch:
        try:
            _, targets = _collated(samples) if self.collate is None else Collation(self.collate)(samples)
            found = _Findings(None, targets)
        except PairError as error:
            found = _Findings(str(error), None)
        return found, torch.zeros(len(samples))


def _collated(samples: list[Any]) -> Batch:
    """The batch that PyTorch makes.

    Raises:
        PairError: it makes none, it makes no pair, or it takes the input apart into single numbers.
    """
    try:
        batch = default_collate(samples)
    except Exception as error:  # of whatever kind the samples lead to
        raise PairError(_why_not(samples, error)) from error
    inputs, targets = check_pair(batch)
    given = samples[0][0]
    if type(given) is list and given and _is_numbers(given):
        raise PairError(
            f"the input of a sample is a list of numbers, {given!r:.100}, of which PyTorch would make a list of "
            "tensors, one for each place; give a tensor (torch.tensor(input)) or an array, or LoaderConfig(collate=...)"
        )
    return inputs, targets


def _why_not(samples: list[Any], error: Exception) -> str:
    """Why samples make no batch."""
    for sample in samples:
        if not isinstance(sample, list | tuple) or len(sample) != 2:
            try:
                check_pair(sample)
            except PairError as problem:
                return str(problem)
        for part, value in zip(("input", "target"), sample, strict=True):
            place = _place_of_none(value)
            if place is not None:
                has = f"has None in it (at {place})" if place else "is None"
                return (
                    f"the {part} of a sample {has}; PyTorch makes batches of tensors, arrays, numbers and texts, and "
                    "of dicts, lists and tuples of these: leave such samples out, or give LoaderConfig(collate=...)"
                )
    return (
        f"PyTorch cannot make a batch of its first samples: {error}; give tensors of one shape, or "
        "LoaderConfig(collate=...)"
    )


def _place_of_none(value: Any) -> str | None:
    """Where in a nesting of dicts, lists and tuples the first None is, empty for the value itself; None if nowhere."""
    if value is None:
        return ""
    entries: Any = ()
    if isinstance(value, Mapping):
        entries = value.items()
    elif isinstance(value, list | tuple):
        entries = enumerate(value)
    places = ((key, _place_of_none(entry)) for key, entry in entries)
    return next((f"[{key!r}]{place}" for key, place in places if place is not None), None)


def _is_numbers(value: Any) -> bool:
    """Whether it is a number of Python's, or a list of these, or of such lists."""
    return all(map(_is_numbers, value)) if type(value) is list else isinstance(value, int | float)
