"""Observations: features in columns, candidates in rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.envs.features.registry import find_feature
from data_select_gym.envs.pool_view import PoolView


def observation_space(
    names: Sequence[str], pool_size: int, embedding_dim: int, *, flat: bool = False
) -> Space[NDArray[np.float32]]:
    """Space of the observations, float32 ``(P, F)``; ``embedding`` takes ``embedding_dim`` columns.

    Flat it is ``(P * F,)``, row after row.
    """
    widths = [embedding_dim if name == "embedding" else 1 for name in names]
    low = np.repeat([find_feature(name).low for name in names], widths).astype(np.float32)
    high = np.repeat([find_feature(name).high for name in names], widths).astype(np.float32)
    tiles = pool_size if flat else (pool_size, 1)
    return Box(np.tile(low, tiles), np.tile(high, tiles), dtype=np.float32)


def observe(names: Sequence[str], view: PoolView) -> Tensor:
    """The observation of a pool, finite float32 ``(P, F)`` on the device.

    Args:
        names: of its columns, as :func:`check_features` gives them.
        view: of the pool.
    """
    features = [find_feature(name) for name in names]
    columns = [feature.read(view).reshape(len(view.signals), -1) for feature in features]
    widths = tuple(column.shape[1] for column in columns)
    ends = tuple((feature.low, feature.high) for feature in features)
    return torch.cat(columns, dim=1).nan_to_num(nan=0.0).clamp(*_ranges(ends, widths, columns[0].device))


@lru_cache(maxsize=8)
def _ranges(
    ends: tuple[tuple[float, float], ...], widths: tuple[int, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Lower and upper ends of the columns' ranges, float32 ``(F,)`` each, on the device."""
    ranges = torch.tensor(ends, dtype=torch.float32)
    low, high = ranges.repeat_interleave(torch.tensor(widths), dim=0).T.contiguous().to(device)
    return low, high
