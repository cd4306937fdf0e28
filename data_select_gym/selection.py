"""Keep masks from scores, over a whole pool or within each of its classes."""

from __future__ import annotations

import torch
from torch import Tensor

from data_select_gym.arguments import check_share


def kept_count(pool_size: int, keep_ratio: float) -> int:
    """How many of ``pool_size`` candidates the share ``keep_ratio`` keeps; at least one."""
    return max(1, round(check_share("keep_ratio", keep_ratio) * pool_size))


def best_share(scores: Tensor, keep_ratio: float, labels: Tensor | None = None) -> Tensor:
    """Keep mask, bool ``(P,)``, of the share of candidates with the highest scores.

    Ties go to the earlier candidates. In a pool that is a random choice, since pools are in random order.

    Args:
        scores: float ``(P,)``, without NaN.
        keep_ratio: the share, in (0, 1].
        labels: int64 ``(P,)``; if given, the kept have the class shares of the pool, see :func:`best_count`.
    """
    return best_count(scores, kept_count(len(scores), keep_ratio), labels)


def best_count(scores: Tensor, count: int | Tensor, labels: Tensor | None = None) -> Tensor:
    """Keep mask, bool ``(P,)``, of the ``count`` candidates with the highest scores; ties go to the earlier ones.

    With labels, each class gets its share of the count: n_c count / P for its n_c candidates, rounded down, plus one
    for the classes with the largest remainders until the count is reached. Among equal remainders, the class that comes
    first in the pool goes first. Within a class the highest scores are kept.

    Args:
        scores: float ``(P,)``, without NaN.
        count: how many, from 0 to P.
        labels: int64 ``(P,)``, on any device.
    """
    if labels is None:
        order = scores.argsort(descending=True, stable=True)
        return _inverse(order) < count
    groups = number_classes(labels.to(scores.device, non_blocking=True))
    return places_in_class(scores, groups) < shared_out(count, groups)[groups]


def balanced(weights: Tensor, labels: Tensor) -> Tensor:
    """Loss weights that keep as many candidates, with the class shares of the pool, float ``(P,)``.

    Each class gets the count of :func:`best_count`. If a class has more, its later candidates are dropped. If it has
    fewer, the earlier ones of those dropped are kept with weight 1. Both are random choices, since pools are in random
    order. If all classes have their counts, nothing changes.

    Args:
        weights: float ``(P,)``, at least 0; 0 for dropped.
        labels: int64 ``(P,)``, on the same device.
    """
    kept = weights > 0
    chosen = best_count(kept.float(), kept.sum(), labels)
    return torch.where(chosen, torch.where(kept, weights, 1.0), 0.0)


def number_classes(labels: Tensor) -> Tensor:
    """The classes that occur, numbered from 0 in the order of their labels, int64 ``(P,)``."""
    ordered, order = labels.sort(stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    # Not bincount or unique, which would wait for a GPU.
    return torch.empty_like(labels).scatter_(0, order, first.cumsum(0) - 1)


def places_in_class(scores: Tensor, groups: Tensor) -> Tensor:
    """The place of each candidate among those of its class, 0 for the highest score, int64 ``(P,)``.

    Args:
        scores: float ``(P,)``, without NaN.
        groups: of :func:`number_classes`.
    """
    order = scores.argsort(descending=True, stable=True)
    order = order[groups[order].argsort(stable=True)]
    sizes = _sizes(groups)
    begins = sizes.cumsum(0) - sizes
    return _inverse(order) - begins[groups]


def shared_out(count: int | Tensor, groups: Tensor) -> Tensor:
    """How many of ``count`` each class gets by largest remainder, int64 ``(P,)``; 0 for classes that do not occur."""
    sizes = _sizes(groups)
    shares = sizes * count
    counts, remainders = shares // len(groups), shares % len(groups)
    places = torch.arange(len(groups), device=groups.device)
    first = torch.full_like(sizes, len(groups)).scatter_reduce_(0, groups, places, "amin")
    # Remainders and places are both below P + 1, so that one number orders by remainder first and place second.
    order = ((len(groups) + 1) * remainders - first).argsort(descending=True, stable=True)
    return counts + (_inverse(order) < count - counts.sum())


def _sizes(groups: Tensor) -> Tensor:
    return torch.zeros_like(groups).scatter_add_(0, groups, torch.ones_like(groups))


def _inverse(order: Tensor) -> Tensor:
    """The place of each number in a permutation, int64 ``(n,)``."""
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
