"""Batches out of parts that were read apart, as PyTorch would have made them of all their samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate
from torch.utils.data._utils.collate import (
    collate,
    collate_numpy_array_fn,
    collate_tensor_fn,
    default_collate_fn_map,
)


@dataclass(frozen=True)
class _Apart:
    """Entries of a part that wait for those of the others: the type of numbers, for one, goes by the first of all.

    Attributes:
        entries: a list or a tuple, as PyTorch has it, which gives texts back as they are.
    """

    entries: Any


def collated_part(samples: list[Any]) -> Any:
    """A part of a batch: its tensors and arrays are stacked, anything else is left for :func:`joined`."""
    ways = {
        kind: way if way in (collate_tensor_fn, collate_numpy_array_fn) else _leave
        for kind, way in default_collate_fn_map.items()
    }
    return collate(samples, collate_fn_map=ways)


def _leave(entries: Any, *, collate_fn_map: Any) -> _Apart:
    return _Apart(entries)


def joined(parts: list[Any], device: torch.device) -> Any:
    """One batch on a device, of what :func:`collated_part` made of its parts, in their order."""
    first = parts[0]
    if isinstance(first, Tensor):
        moved = [part.to(device, non_blocking=True) for part in parts]
        # Into the type of the first, as PyTorch's worker processes stack them.
        return moved[0] if len(moved) == 1 else torch.cat(moved, out=moved[0].new_empty(0))
    if isinstance(first, _Apart):
        entries = type(first.entries)(chain.from_iterable(part.entries for part in parts))
        return to_device(default_collate(entries), device)
    if isinstance(first, Mapping):
        return {name: joined([part[name] for part in parts], device) for name in first}
    return _like(first, [joined(list(column), device) for column in zip(*parts, strict=True)])


def to_device(value: Any, device: torch.device) -> Any:
    """A tensor, or all tensors in a nesting of dicts, lists and tuples, on a device; anything else as it is."""
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
