"""Arrays that cross between an agent and a run."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def numeric(name: str, values: Any, pool_size: int) -> NDArray[np.float32]:
    """An action as float32 ``(P,)``.

    Raises:
        ValueError: it is not numeric, of another shape, or holds a value that is negative, too large or not finite.
    """
    given = _array(name, values, pool_size)
    with np.errstate(over="ignore"):
        single = given.astype(np.float32)
    fit = (single >= 0) & (single <= np.finfo(np.float32).max)
    if not fit.all():
        place = int((~fit).argmax())
        raise ValueError(f"{name}[{place}]={given[place].item()!r}; each must be finite and at least 0")
    return single


def scores_of(name: str, values: Any, pool_size: int) -> NDArray[np.float32]:
    """Scores as float32 ``(P,)`` in [0, 1], to which they are clipped, as actions in a ``Box`` are elsewhere.

    Raises:
        ValueError: they are not numeric, of another shape, or one is not finite.
    """
    given = _array(name, values, pool_size)
    if not np.isfinite(given).all():
        place = int((~np.isfinite(given)).argmax())
        raise ValueError(f"{name}[{place}]={given[place].item()!r}; each must be finite, and is clipped to [0, 1]")
    return given.clip(0, 1).astype(np.float32)


def _array(name: str, values: Any, pool_size: int) -> NDArray[Any]:
    if values is None:
        raise ValueError(f"{name} is None; booleans or numbers are needed, one for each of {pool_size} candidates")
    try:
        given = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{name} is no array of booleans or numbers: {error}") from error
    if given.dtype.kind not in "biuf":
        raise ValueError(f"{name} is of type {given.dtype}; booleans or numbers are needed")
    if given.shape != (pool_size,):
        raise ValueError(f"{name} has shape {given.shape}; ({pool_size},) is needed, one value for each candidate")
    return given


def numpy_scalars(info: dict[str, Any]) -> dict[str, Any]:
    """An info with NumPy scalars instead of Python numbers, also in the dicts within it.

    Libraries that collect infos look for the ``dtype`` of each value.
    """
    return {name: numpy_scalars(value) if isinstance(value, dict) else _scalar(value) for name, value in info.items()}


def _scalar(value: Any) -> Any:
    if isinstance(value, float):
        return np.float64(value)
    return np.int64(value) if isinstance(value, int) else value


def to_host(*tensors: Tensor) -> list[NDArray[np.float32]]:
    """Float tensors on one device as arrays, by a single copy to the host; no two share memory."""
    packed = torch.cat([tensor.detach().float().reshape(-1) for tensor in tensors]).cpu().numpy()
    parts = np.split(packed, list(accumulate(tensor.numel() for tensor in tensors[:-1])))
    return [part.reshape(tensor.shape).copy() for part, tensor in zip(parts, tensors, strict=True)]
