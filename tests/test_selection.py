import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_select_gym.selection import best_share, kept_count


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
