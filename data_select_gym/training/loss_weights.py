"""Loss weights: which candidates of a pool are trained on, and how much each of them counts."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def check_weights(weights: Tensor, pool_size: int) -> Tensor:
    """Return loss weights as float32 ``(P,)`` on the host.

    Raises:
        ValueError: they have another shape, or one is negative or not finite.
    """
    if weights.shape != (pool_size,):
        raise ValueError(f"weights has shape {tuple(weights.shape)}; one for each of the pool's {pool_size} is needed")
    weights = weights.detach().to("cpu", torch.float32)
    low, high = (value.item() for value in weights.aminmax())
    if not (low >= 0 and high < math.inf):
        place = int((~(weights.isfinite() & (weights >= 0))).nonzero()[0])
        raise ValueError(f"weights[{place}]={weights[place].item()!r}; each must be finite and at least 0")
    return weights
