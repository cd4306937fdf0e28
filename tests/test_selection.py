import math
from collections import Counter
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_select_gym.selection import balanced, best_count, best_share, kept_count


@pytest.mark.parametrize(
    ("pool_size", "keep_ratio", "count"),
    [(10, 0.3, 3), (128, 0.5, 64), (10, 0.26, 3), (10, 0.24, 2), (7, 1.0, 7), (7, 1, 7), (10, 0.01, 1), (1, 0.1, 1)],
)
def test_the_count_is_the_share_and_at_least_one(pool_size: int, keep_ratio: float, count: int) -> None:
    assert kept_count(pool_size, keep_ratio) == count


@pytest.mark.parametrize("keep_ratio", [0, -0.5, 1.5, math.nan])
def test_what_is_no_share_is_refused(keep_ratio: float) -> None:
    with pytest.raises(ValueError, match=r"^keep_ratio=.* is not a number in \(0, 1\]$"):
        best_share(torch.arange(4.0), keep_ratio)


def test_the_highest_scores_are_kept() -> None:
    assert best_share(torch.tensor([0.1, 0.9, 0.5, 0.7]), 0.5).tolist() == [False, True, False, True]
    assert best_share(torch.tensor([math.inf, -math.inf, 0.0, 1.0]), 0.5).tolist() == [True, False, False, True]


def test_ties_go_to_the_earlier_candidates() -> None:
    assert best_share(torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0]), 0.6).tolist() == [False, True, True, True, False]
    assert best_share(torch.zeros(1000), 0.25).nonzero().squeeze(1).tolist() == list(range(250))


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=20), st.floats(0.01, 1))
def test_every_kept_score_is_at_least_every_dropped_one(scores: list[float], keep_ratio: float) -> None:
    values = torch.tensor(scores)
    kept = best_share(values, keep_ratio)
    assert kept.dtype == torch.bool and int(kept.sum()) == kept_count(len(scores), keep_ratio)
    if not kept.all():
        assert values[kept].min() >= values[~kept].max()


# Within classes


def counts_by_hand(labels: list[int], total: int) -> Counter[int]:
    """Largest remainder, in exact fractions; among equal ones the class that comes first."""
    sizes = Counter(labels)
    exact = {label: Fraction(size * total, len(labels)) for label, size in sizes.items()}
    counts = Counter({label: math.floor(share) for label, share in exact.items()})
    by_remainder = sorted(sizes, key=lambda label: (counts[label] - exact[label], labels.index(label)))
    for label in by_remainder[: total - counts.total()]:
        counts[label] += 1
    return counts


def test_each_class_keeps_its_share_of_the_highest_scores() -> None:
    labels = torch.tensor([4, 9, 4, 9, 4, 4, 9, 4])  # of four kept, class 4 has 2.5 and class 9 has 1.5
    scores = torch.tensor([0.1, 0.9, 0.2, 0.8, 0.3, 0.4, 0.7, 0.5])
    assert best_share(scores, 0.5).nonzero().squeeze(1).tolist() == [1, 3, 6, 7]
    # Both remainders are a half, and class 4 comes first.
    assert best_share(scores, 0.5, labels).nonzero().squeeze(1).tolist() == [1, 4, 5, 7]
    assert best_share(scores.flip(0), 0.5, labels.flip(0)).flip(0).nonzero().squeeze(1).tolist() == [1, 4, 5, 7]
    assert best_share(scores[:7], 3 / 7, labels[:7]).nonzero().squeeze(1).tolist() == [1, 4, 5]


labelled = st.lists(st.tuples(st.sampled_from([0, 1, 2, 7, 900]), st.floats(width=32, allow_nan=False)), min_size=1)


@settings(deadline=None)
@given(labelled, st.floats(0, 1))
def test_class_counts_are_those_of_the_largest_remainder(pool: list[tuple[int, float]], share: float) -> None:
    labels, scores = (list(part) for part in zip(*pool, strict=True))
    count = round(share * len(pool))
    kept = best_count(torch.tensor(scores), count, torch.tensor(labels)).tolist()
    counts = counts_by_hand(labels, count)
    assert Counter(label for label, chosen in zip(labels, kept, strict=True) if chosen) == counts
    assert sum(kept) == count
    for label in set(labels):
        assert abs(counts[label] - labels.count(label) * count / len(labels)) < 1
        # A ranking stays one within a class, and ties go to the earlier.
        mine = [number for number, other in enumerate(labels) if other == label]
        ranked = sorted(mine, key=lambda number: (-scores[number], number))
        assert [number for number in mine if kept[number]] == sorted(ranked[: counts[label]])


@settings(deadline=None)
@given(labelled, st.floats(0, 1))
def test_a_single_class_is_kept_as_if_there_were_none(pool: list[tuple[int, float]], share: float) -> None:
    scores = torch.tensor([score for _, score in pool])
    count = round(share * len(pool))
    kept = best_count(scores, count)
    assert torch.equal(best_count(scores, count, torch.full((len(pool),), 3)), kept)


weighted = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.0, 0.5, 1.0, 4.0])), min_size=1, max_size=40)


@settings(deadline=None)
@given(weighted)
def test_balanced_weights_keep_as_many_in_the_shares_of_the_pool(pool: list[tuple[int, float]]) -> None:
    labels, weights = (torch.tensor(part) for part in zip(*pool, strict=True))
    kept, given = balanced(weights, labels), weights > 0
    assert int((kept > 0).sum()) == int(given.sum())
    counts = counts_by_hand(labels.tolist(), int(given.sum()))
    assert Counter(labels[kept > 0].tolist()) == counts
    assert torch.equal(kept[(kept > 0) & given], weights[(kept > 0) & given])
    assert (kept[(kept > 0) & ~given] == 1).all()
    assert torch.equal(balanced(kept, labels), kept)
    for label in labels.unique():
        # Nothing is dropped of a class of which something is filled in.
        mine = labels == label
        assert not ((kept == 0) & given & mine).any() or not ((kept > 0) & ~given & mine).any()


def test_balanced_weights_by_hand() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    assert balanced(torch.tensor([2.0, 0.0, 3.0, 0.0, 0.5, 0.0]), labels).tolist() == [2.0, 0.0, 3.0, 0.0, 0.5, 0.0]
    assert balanced(torch.tensor([2.0, 4.0, 3.0, 0.0, 0.0, 0.0]), labels).tolist() == [2.0, 4.0, 0.0, 1.0, 0.0, 0.0]
    assert balanced(torch.zeros(6), labels).tolist() == [0.0] * 6
    assert balanced(torch.full((6,), 0.25), labels).tolist() == [0.25] * 6
