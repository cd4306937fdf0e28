"""KAKURENBO, against values worked out by hand."""

from typing import Any

import pytest
import torch

from data_select_gym.agents import Candidates, make_policy, run_policy
from data_select_gym.signals import Signals

from .policy_runs import digits

NAN = float("nan")
# Ten samples in the order of their losses.
LOSSES = [float(number) for number in range(10)]


def pool(
    losses: list[float] = LOSSES,
    *,
    confidence: list[float] | None = None,
    correct: list[bool] | None = None,
    progress: float = 0.0,
    keep_ratio: float = 0.5,
    seed: int = 0,
) -> Candidates:
    loss = torch.tensor(losses)
    half, rows = torch.full_like(loss, 0.5), torch.arange(len(loss))
    signals = Signals(
        loss=loss,
        uncertainty=half,
        confidence=torch.full_like(loss, 0.9) if confidence is None else torch.tensor(confidence),
        margin=half,
        correct=half > 0 if correct is None else torch.tensor(correct),
        el2n=half,
    )
    return Candidates(signals, keep_ratio, torch.Generator().manual_seed(seed), rows, torch.ones_like(rows), progress)


def often(times: int = 300, **more: Any) -> list[float]:
    """How often each sample is kept."""
    rule = make_policy("kakurenbo", **({"tau": more.pop("tau")} if "tau" in more else {}))
    kept = torch.stack([rule.choose(pool(**more, seed=seed)) for seed in range(times)])  # type: ignore[attr-defined]
    assert set(kept.sum(dim=1).tolist()) == {max(1, round(more.get("keep_ratio", 0.5) * kept.shape[1]))}
    shares: list[float] = kept.float().mean(dim=0).tolist()
    return shares


def hidden(**more: Any) -> list[int]:
    """The samples that are never kept."""
    return [place for place, share in enumerate(often(**more)) if share == 0]


def test_at_first_all_that_is_dropped_is_hidden_from_the_lowest_loss_on() -> None:
    assert hidden() == [0, 1, 2, 3, 4]
    assert hidden(keep_ratio=0.2) == [0, 1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("progress", "count"),
    # 10 of 20 are dropped: of these 10, 8, 6 and 4 may be hidden.
    [(0.0, 10), (0.29, 10), (0.3, 8), (0.59, 8), (0.6, 6), (0.79, 6), (0.8, 4), (1.0, 4)],
)
def test_the_schedule_of_the_hidden_share(progress: float, count: int) -> None:
    losses = [float(number) for number in range(20)]
    assert hidden(losses=losses, progress=progress) == list(range(count))


def test_what_is_wrong_or_unsure_is_moved_back_and_nothing_takes_its_place() -> None:
    correct = [True, False, True, True, True, True, True, True, True, True]
    confidence = [0.7, 0.9, 0.69, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    # Of the five with the lowest losses, 1 is wrong and 2 is unsure; 5 has too high a loss to be hidden.
    shares = often(2000, correct=correct, confidence=confidence)
    assert [place for place, share in enumerate(shares) if share == 0] == [0, 3, 4]
    # Five of the seven others are kept at random. Four standard deviations of a share of 2,000 draws are 0.04.
    assert [share for share in shares if share] == pytest.approx([5 / 7] * 7, abs=0.04)


def test_tau_is_the_least_confidence() -> None:
    assert hidden(tau=0.9) == [0, 1, 2, 3, 4]
    assert hidden(tau=0.91) == []


def test_where_nothing_is_known_or_all_diverged_it_is_random() -> None:
    assert often(2000, correct=[False] * 10) == pytest.approx([0.5] * 10, abs=0.045)
    assert hidden(losses=[NAN] * 4, correct=[False] * 4) == []
    # A loss that is not a number counts as the highest.
    assert hidden(losses=[NAN, 1.0, 2.0, 3.0]) == [1, 2]


def test_a_run_holds_the_budget_and_is_the_same_again() -> None:
    results = [run_policy(make_policy("kakurenbo"), digits(epochs=6), seed=1) for _ in range(2)]
    assert results[0].keep_fraction == 0.5
    assert results[0].quality == results[1].quality and results[0].episode_return == results[1].episode_return
