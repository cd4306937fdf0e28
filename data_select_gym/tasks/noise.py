"""Label noise: makes a share of a classification task's labels wrong and keeps the true ones on record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from data_select_gym.arguments import check_choice, check_count, check_part
from data_select_gym.tasks.collation import OtherLabel
from data_select_gym.tasks.data import lengths_of, rows_of
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.loaders import LoaderConfig
from data_select_gym.tasks.objectives import Classification
from data_select_gym.tasks.protocol import Measured, Stored, is_resident, is_stored
from data_select_gym.tasks.task import Task

KINDS = ("symmetric", "pairs")
SETS = ("train", "validation", "test")
NOISE_OPTIONS = ("label_noise", "label_noise_kind", "label_noise_seed", "noisy_sets")


def add_label_noise(
    task: Task,
    *,
    label_noise: float = 0.0,
    label_noise_kind: str = "symmetric",
    label_noise_seed: int = 0,
    noisy_sets: Sequence[str] = ("train",),
) -> Task:
    """The same task with some wrong labels; the task itself if ``label_noise`` is 0.

    Labels are found by :func:`~data_select_gym.tasks.labels.labels_of`. The number of classes is one more than the
    largest label of the noisy sets, at least 2.

    Args:
        task: a classification task.
        label_noise: the share of labels to make wrong, in [0, 1); of n labels exactly ``round(share * n)``.
        label_noise_kind: ``"symmetric"`` for any of the other classes with the same probability, ``"pairs"`` for class
            c + 1 instead of class c, and 0 instead of the last.
        label_noise_seed: draws which labels are wrong and how; it is independent of the seed of a run.
        noisy_sets: which of ``"train"``, ``"validation"`` and ``"test"`` get noise.

    Raises:
        ValueError: an argument is out of its range or unknown, the task has no such set, it has label noise already, or
            the labels are not whole numbers of at least 0.
        TypeError: it is not a classification task, or ``noisy_sets`` is not a sequence.
    """
    share = check_part("label_noise", label_noise)
    check_choice("label_noise_kind", label_noise_kind, KINDS)
    label_noise_seed = check_count("label_noise_seed", label_noise_seed, least=0)
    chosen = _check_sets(noisy_sets)
    if share == 0:
        return task
    check_can_be_noisy(task, f"label_noise={label_noise!r}")
    labels = {name: labels_of(_get(task, name), task.loading) for name in chosen}
    classes = max(2, *(int(each.max()) + 1 for each in labels.values()))
    # One stream for each set, so the noise of one does not depend on the others.
    seeds = dict(zip(SETS, np.random.SeedSequence(label_noise_seed).generate_state(len(SETS)).tolist(), strict=True))
    changed: dict[str, Any] = {
        name: relabelled(
            _get(task, name),
            corrupted(true, share, label_noise_kind, classes, torch.Generator().manual_seed(seeds[name])),
            task.loading,
        )
        for name, true in labels.items()
    }
    return replace(task, **changed, true_labels=labels.get("train"))


def check_can_be_noisy(task: Task, given: str) -> None:
    """Check that the labels of a task can be replaced.

    Args:
        task: the task.
        given: the argument that asks for them, with its value.

    Raises:
        ValueError: the task has label noise already.
        TypeError: it is not a classification task.
    """
    if not isinstance(task.objective, Classification):
        raise TypeError(
            f"{given}: the objective is a {type(task.objective).__name__}; label noise needs a task of Classification"
        )
    if task.true_labels is not None:
        raise ValueError(f"{given}: the task has label noise already")


def corrupted(labels: Tensor, share: float, kind: str, classes: int, generator: torch.Generator) -> Tensor:
    """A copy of ``labels`` (int64 ``(n,)``) with exactly ``round(share * n)`` wrong ones."""
    chosen = torch.randperm(len(labels), generator=generator)[: round(share * len(labels))]
    shift = torch.randint(1, classes, (len(chosen),), generator=generator) if kind == "symmetric" else 1
    noisy = labels.clone()
    noisy[chosen] = (labels[chosen] + shift) % classes
    return noisy


class Relabelled(Dataset[Any], Stored, Measured):
    """The inputs of a map-style dataset with other labels; a sample is read on request.

    Attributes:
        dataset: with the inputs.
        targets: int64 ``(n,)``, the labels.
        collated: whether a custom collate function makes the pairs; samples then carry their new labels to it.
        lengths: int64 ``(n,)``, sizes of the samples; None if the dataset does not give them.
    """

    def __init__(self, dataset: Dataset[Any], targets: Tensor, *, collated: bool = False) -> None:
        self.dataset = dataset
        self.targets = targets
        self.collated = collated
        self.lengths = lengths_of(dataset)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """Input and label of a sample."""
        label = int(self.targets[index])
        if self.collated:
            return OtherLabel(self.dataset[index], label)
        inputs, _ = self.dataset[index]
        return inputs, label

    def rows(self, indices: Tensor) -> Relabelled:
        """The samples at ``indices``, int64 ``(k,)`` on the host."""
        return Relabelled(rows_of(self.dataset, indices), self.targets[indices], collated=self.collated)

    def relabelled(self, targets: Tensor) -> Relabelled:
        """The same inputs with the labels ``targets``, int64 ``(n,)`` on the host."""
        return Relabelled(self.dataset, targets, collated=self.collated)


def relabelled(dataset: Dataset[Any], labels: Tensor, loading: LoaderConfig) -> Dataset[Any]:
    """The dataset with other labels; a plain ``TensorDataset`` and one that relabels itself stay of their kind.

    If ``loading`` has a custom collate function, the labels replace those that it returns.
    """
    if is_resident(dataset):
        return TensorDataset(dataset.tensors[0], labels)
    if is_stored(dataset) and (loading.collate is None or isinstance(dataset, Relabelled)):
        return dataset.relabelled(labels)
    return Relabelled(dataset, labels, collated=loading.collate is not None)


def _check_sets(noisy_sets: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(noisy_sets, Iterable):
        raise TypeError(f"noisy_sets={noisy_sets!r} is not a sequence of names")
    names = (noisy_sets,) if isinstance(noisy_sets, str) else tuple(noisy_sets)
    for name in names:
        check_choice("noisy_sets", name, SETS)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"noisy_sets={names!r} must name at least one set and none twice")
    return names


def _get(task: Task, name: str) -> Dataset[Any]:
    dataset: Dataset[Any] | None = getattr(task, name)
    if dataset is None:
        raise ValueError(f"noisy_sets names {name!r}, and the task has no {name} set")
    return dataset
