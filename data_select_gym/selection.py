"""Keep masks from scores, over a whole pool or within each of its classes."""

from __future__ import annotations

import torch
from torch import Tensor

from data_select_gym.arguments import check_share


def kept_count(pool_size: int, keep_ratio: float) -> int:
    """How many of ``pool_size`` candidates the share ``keep_ratio`` is; at least one."""
    return max(1, round(check_share("keep_ratio", keep_ratio) * pool_size))


def best_share(scores: Tensor, keep_ratio: float, labels: Tensor | None = None) -> Tensor:
    """Keep mask, bool ``(P,)``, of the share of candidates with the highest scores.

    Ties go to the earlier candidates, which in a pool is a random choice, as pools are in random order.

    Args:
        scores: float ``(P,)``, without NaN.
        keep_ratio: the share, in (0, 1].
        labels: int64 ``(P,)``; the class shares of the kept are then those of the pool, see :func:`best_count`.
    """
    return best_count(scores, kept_count(len(scores), keep_ratio), labels)


def best_count(scores: Tensor, count: int | Tensor, labels: Tensor | None = None) -> Tensor:
    """Keep mask, bool ``(P,)``, of the ``count`` candidates with the highest scores; ties go to the earlier ones.

    With labels, each class has its share of the count: n_c count / P for its n_c candidates, rounded down, and one more
    for the classes with the largest remainders, until the count is reached. Among equal remainders the class that comes
    first in the pool goes first. Within a class the highest scores are kept.

    Args:
        scores: float ``(P,)``, without NaN.
        count: how many, from 0 to P.
        labels: int64 ``(P,)``, anywhere.
    """
    if labels is None:
        order = scores.argsort(descending=True, stable=True)
        return _inverse(order) < count
    groups = number_classes(labels.to(scores.device, non_blocking=True))
    return places_in_class(scores, groups) < shared_out(count, groups)[groups]


def balanced(weights: Tensor, labels: Tensor) -> Tensor:
    """Loss weights with as many candidates kept, whose class shares are those of the pool, float ``(P,)``.

    Each class has the count that :func:`best_count` says. In a class that has more, the later ones are dropped; in one
    that has less, the earlier ones of those dropped are kept with weight 1. Both are random choices, as pools are in
    random order. Where all classes have their counts nothing is changed.

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
    # Neither bincount nor unique, which would both wait for a GPU.
    return torch.empty_like(labels).scatter_(0, order, first.cumsum(0) - 1)


def places_in_class(scores: Tensor, groups: Tensor) -> Tensor:
    """The place of each candidate among those of its class, 0 for the highest score, int64 ``(P,)``.

    Args:
        scores: float ``(P,)``, without NaN.
        groups: as :func:`number_classes` gives them.
    """
    order = scores.argsort(descending=True, stable=True)
    order = order[groups[order].argsort(stable=True)]
    sizes = _sizes(groups)
    begins = sizes.cumsum(0) - sizes
    return _inverse(order) - begins[groups]


def shared_out(count: int | Tensor, groups: Tensor) -> Tensor:
    """How many of ``count`` each class gets, int64 ``(P,)``, by largest remainder; 0 where there is no such class."""
    sizes = _sizes(groups)
    shares = sizes * count
    counts, remainders = shares // len(groups), shares % len(groups)
    places = torch.arange(len(groups), device=groups.device)
    first = torch.full_like(sizes, len(groups)).scatter_reduce_(0, groups, places, "amin")
    # Remainders and places are both below P + 1, so one number orders by the one and then by the other.
    order = ((len(groups) + 1) * remainders - first).argsort(descending=True, stable=True)
    return counts + (_inverse(order) < count - counts.sum())


def _sizes(groups: Tensor) -> Tensor:
    return torch.zeros_like(groups).scatter_add_(0, groups, torch.ones_like(groups))


def _inverse(order: Tensor) -> Tensor:
    """The place of each number in a permutation, int64 ``(n,)``."""
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
