"""Keep masks from scores."""

from __future__ import annotations

import torch
from torch import Tensor

from data_select_gym.arguments import check_share


def kept_count(pool_size: int, keep_ratio: float) -> int:
    """How many of ``pool_size`` candidates the share ``keep_ratio`` is; at least one."""
    return max(1, round(check_share("keep_ratio", keep_ratio) * pool_size))


def best_share(scores: Tensor, keep_ratio: float) -> Tensor:
    """Keep mask, bool ``(P,)``, of the share of candidates with the highest scores.

    Ties go to the earlier candidates, which in a pool is a random choice, as pools are in random order.

    Args:
        scores: float ``(P,)``, without NaN.
        keep_ratio: the share, in (0, 1].
    """
    order = scores.argsort(descending=True, stable=True)
    kept = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    kept[order[: kept_count(len(scores), keep_ratio)]] = True
    return kept
