"""Turns labels as written in a file into class numbers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

# Data sets use it for a label that is missing or secret.
NO_LABEL = -1


@dataclass(frozen=True)
class RawLabels:
    """The labels of one split as written.

    Attributes:
        source: name of the split in errors.
        values: a label for each sample; None if the split has no labels at all.
        place: from the number of a sample to its name in errors.
    """

    source: str
    values: list[str] | None
    place: Callable[[int], str]


def number_classes(splits: Mapping[str, RawLabels]) -> tuple[list[str], dict[str, Tensor]]:
    """Number the classes of the split ``"train"`` from 0: numerically if all are integers, else alphabetically.

    A test split without labels is left out with a warning. Another warning names classes that are spelled almost alike.
    A split whose labels are all -1 has no labels, unless -1 is a class of ``"train"``.

    Returns:
        The names of the classes, and the labels of each split, int64 ``(n,)``.

    Raises:
        ValueError: another split has no labels, there is only one class, a split has a class that ``"train"`` lacks,
            or -1 may mean a missing label in ``"train"``.
    """
    classes = _sorted(set(_values(splits["train"])))
    _check_none(splits["train"], classes)
    if len(classes) < 2:
        raise ValueError(f"{splits['train'].source} has the one label {classes[0]!r}; at least two classes are needed")
    _warn_alike(splits["train"], classes)
    numbers = {name: number for number, name in enumerate(classes)}
    targets = {}
    for split, labels in splits.items():
        if labels.values is not None and set(labels.values) == {str(NO_LABEL)} and str(NO_LABEL) not in numbers:
            labels = replace(labels, values=None)
        if split == "test" and labels.values is None:
            warnings.warn(f"{labels.source} has no labels, so it is not used", stacklevel=3)
            continue
        found = torch.tensor([numbers.get(value, -1) for value in _values(labels)], dtype=torch.int64)
        unknown = (found < 0).nonzero()
        if len(unknown):
            row = int(unknown[0])
            raise ValueError(
                f"{labels.place(row)}: label {_values(labels)[row]!r} is none of the training set's "
                f"{len(classes)}: {', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''}"
            )
        targets[split] = found
    return classes, targets


def _check_none(labels: RawLabels, classes: list[str]) -> None:
    """Refuse -1 beside classes numbered from 0 up, unless they are -1 and 1, as for a margin.

    Raises:
        ValueError: -1 may mean rows without a label.
    """
    numbers = {_number(name) for name in classes}
    others = numbers - {NO_LABEL}
    if NO_LABEL not in numbers or not others or others == {1} or not all(number >= 0 for number in others):
        return
    values = _values(labels)
    first = next(row for row, value in enumerate(values) if _number(value) == NO_LABEL)
    raise ValueError(
        f"{labels.place(first)}: the label is {values[first]}, which in many data sets means none; "
        f"{values.count(values[first])} of {len(values)} rows have it. Leave them out, or, if it is a class, give all "
        "classes names, such as 'negative'"
    )


def _number(name: str) -> float:
    """The number that a label is; NaN, which is not above 0, if it is none."""
    try:
        return float(name)
    except ValueError:
        return math.nan


def _warn_alike(labels: RawLabels, classes: list[str]) -> None:
    """Warn of classes that differ only in case, in inner blanks, or in how a number is written."""
    seen: dict[str | float, str] = {}
    for name in classes:
        other = seen.setdefault(_spelled(name), name)
        if other != name:
            row = _values(labels).index(name)
            warnings.warn(
                f"{labels.place(row)}: labels {other!r} and {name!r} are two classes; if they mean the same, spell "
                "them alike",
                stacklevel=4,
            )


def _spelled(name: str) -> str | float:
    try:
        number = float(name)
    except ValueError:
        return " ".join(name.casefold().split())
    return number if math.isfinite(number) else name.casefold()


def _values(labels: RawLabels) -> list[str]:
    if labels.values is None:
        raise ValueError(f"{labels.source} has no labels")
    return labels.values


def _sorted(names: Iterable[str]) -> list[str]:
    try:
        # Ties between two spellings of a number would otherwise keep the order of a set, which differs by process.
        return sorted(names, key=lambda name: (int(name), len(name), name))
    except ValueError:
        return sorted(names)
