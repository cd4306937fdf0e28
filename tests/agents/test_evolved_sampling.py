"""Evolved Sampling, against values worked out by hand; test_histories.py follows it through a run."""

from typing import Any

import pytest
import torch
from torch import Tensor

from data_select_gym.agents import Candidates
from data_select_gym.agents.rules import EvolvedSampling
from data_select_gym.signals import Signals

INF, NAN = float("inf"), float("nan")


def begun(samples: int, **options: float) -> EvolvedSampling:
    rule = EvolvedSampling(**options)
    rule.begin(samples, seed=0, device=torch.device("cpu"))
    return rule


def show(rule: EvolvedSampling, visits: list[int], loss: list[float], **more: Any) -> Tensor:
    losses = torch.tensor(loss)
    half, rows = torch.full_like(losses, 0.5), torch.arange(len(losses))
    signals = Signals(losses, half, half, half, half > 0, half)
    trained = torch.tensor(visits, dtype=torch.int32)
    return rule.choose(Candidates(signals, more.pop("keep_ratio", 0.5), rule.generator, rows, trained, 0.5, **more))


def test_scores_and_weights_follow_the_formulas() -> None:
    rule = begun(4, beta1=0.25, beta2=0.5)
    show(rule, [1, 1, 1, 0], [8.0, 1.0, 4.0, INF])
    # The first loss is score and weight; the last sample was never trained on.
    assert rule.scores.tolist() == rule.weights.tolist() == [8.0, 1.0, 4.0, INF]
    show(rule, [2, 2, 1, 1], [4.0, 5.0, 99.0, 2.0])
    # w = s / 4 + 3 l / 4: 8 / 4 + 3 = 5, 1 / 4 + 15 / 4 = 4. s = (s + l) / 2: 6, 3. The third was not trained on.
    assert rule.weights.tolist() == [5.0, 4.0, 4.0, 2.0]
    assert rule.scores.tolist() == [6.0, 3.0, 4.0, 2.0]
    show(rule, [3, 2, 2, 2], [2.0, 0.0, 4.0, 6.0])
    # By the scores before: 6 / 4 + 6 / 4 = 3, 4 / 4 + 12 / 4 = 4, 2 / 4 + 18 / 4 = 5.
    assert rule.weights.tolist() == [3.0, 4.0, 4.0, 5.0]
    assert rule.scores.tolist() == [4.0, 3.0, 4.0, 4.0]


def test_the_first_kept_is_drawn_in_proportion_to_the_weights() -> None:
    rule = begun(4)
    kept = torch.stack([show(rule, [1] * 4, [1.0, 2.0, 3.0, 4.0], keep_ratio=0.25) for _ in range(4000)])
    # Four standard deviations of a share of 4,000 draws are at most 0.032.
    assert kept.float().mean(dim=0).tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.032)
    assert set(kept.sum(dim=1).tolist()) == {1}


def test_the_second_is_drawn_in_proportion_among_those_left() -> None:
    rule = begun(3)
    kept = torch.stack([show(rule, [1] * 3, [1.0, 1.0, 2.0], keep_ratio=0.67) for _ in range(4000)])
    # The first is left out if the others are drawn, in one order or the other: 1/4 * 2/3 + 1/2 * 1/2 = 5/12. The third
    # is left out with 1/4 * 1/3 + 1/4 * 1/3 = 1/6.
    assert kept.float().mean(dim=0).tolist() == pytest.approx([7 / 12, 7 / 12, 5 / 6], abs=0.032)


def test_the_never_seen_come_first_and_losses_of_zero_last() -> None:
    rule = begun(6)
    for _ in range(20):
        kept = show(rule, [1, 0, 1, 1, 0, 1], [0.0, INF, 1.0, 0.0, INF, -3.0])
        assert kept.tolist() == [False, True, True, False, True, False]


def test_a_diverged_loss_counts_as_unseen_and_one_that_follows_starts_anew() -> None:
    rule = begun(2)
    assert int(show(rule, [1, 1], [NAN, INF]).sum()) == 1
    assert rule.weights.tolist() == rule.scores.tolist() == [INF, INF]
    show(rule, [2, 2], [3.0, NAN])
    assert rule.weights.tolist() == rule.scores.tolist() == [3.0, INF]


def test_a_draw_of_zero_gives_a_finite_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = begun(3)
    monkeypatch.setattr(Candidates, "random", lambda candidates: torch.zeros(3))
    assert show(rule, [1, 1, 0], [1.0, 2.0, INF], keep_ratio=0.67).tolist() == [False, True, True]


def test_the_class_shares_are_held() -> None:
    rule = begun(4)
    kept = show(rule, [1] * 4, [9.0, 8.0, 0.1, 0.1], labels=torch.tensor([0, 0, 1, 1]))
    assert int(kept[:2].sum()) == int(kept[2:].sum()) == 1
