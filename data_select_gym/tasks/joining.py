"""Batches from parts that were read separately, equal to what PyTorch would have made of all their samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate


@dataclass(frozen=True)
class _Apart:
    """Entries that wait for those of the other parts: the type of numbers, for one, depends on all of them.

    Attributes:
        entries: a list or a tuple, whichever PyTorch would pass on, since it returns texts as they are.
    """

    entries: Any


def collated_part(samples: Sequence[Any]) -> Any:
    """A part of a batch: its tensors and arrays are stacked, anything else is left for :func:`joined`."""
    # PyTorch's own collate() takes a function for each type, but is private.
    first = samples[0]
    if isinstance(first, Tensor | np.ndarray):
        return default_collate(list(samples))
    if isinstance(first, Mapping):
        return {name: collated_part([sample[name] for sample in samples]) for name in first}
    if isinstance(first, Sequence) and not isinstance(first, str | bytes):
        columns = [collated_part(column) for column in zip(*samples, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    return _Apart(samples)


def joined(parts: list[Any], device: torch.device) -> Any:
    """One batch on a device from what :func:`collated_part` made of its parts, in order."""
    first = parts[0]
    if isinstance(first, Tensor):
        moved = [part.to(device, non_blocking=True) for part in parts]
        # In the type of the first, as PyTorch's worker processes stack them.
        return moved[0] if len(moved) == 1 else torch.cat(moved, out=moved[0].new_empty(0))
    if isinstance(first, _Apart):
        entries = type(first.entries)(chain.from_iterable(part.entries for part in parts))
        return to_device(default_collate(entries), device)
    if isinstance(first, Mapping):
        return {name: joined([part[name] for part in parts], device) for name in first}
    return _like(first, [joined(list(column), device) for column in zip(*parts, strict=True)])


def to_device(value: Any, device: torch.device) -> Any:
    """A tensor, or all tensors in nested dicts, lists and tuples, on a device; anything else unchanged."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {name: to_device(entry, device) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return _like(value, [to_device(entry, device) for entry in value])
    return value


def _like(value: Any, entries: list[Any]) -> Any:
    """A list, a tuple or a named tuple of the same type with other entries."""
    if hasattr(value, "_fields"):
        return type(value)(*entries)
    return tuple(entries) if isinstance(value, tuple) else entries
