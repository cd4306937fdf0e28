"""The rule that leaves out an estimated share of wrong labels, against values worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_select_gym.agents import Candidates, Selector, make_policy, run_policy
from data_select_gym.agents.rules import EstimateThenChoose
from data_select_gym.agents.rules.estimate_then_choose import accuracy_gap
from data_select_gym.envs import as_base_env
from data_select_gym.ledger import Ledger
from data_select_gym.selection import best_share
from data_select_gym.signals import Signals

from .loops import eight
from .test_going_on import driven, environment, outcome

INF, NAN = float("inf"), float("nan")
LOSSES = [3.0, 0.1, 9.0, 2.0, 0.5, 8.0, 4.0, 1.0]


def signals(losses: list[float], correct: list[bool] | None = None) -> Signals:
    loss = torch.tensor(losses)
    half = torch.full_like(loss, 0.5)
    return Signals(loss, half, half, half, half > 0 if correct is None else torch.tensor(correct), half)


def chosen(gap: Any, losses: list[float] = LOSSES, *, keep_ratio: float = 0.5, visits: Any = None, **more: Any) -> Any:
    """Positions that the rule keeps."""
    rule = make_policy("estimate-then-choose", **{name: more.pop(name) for name in ("least", "most") if name in more})
    assert isinstance(rule, EstimateThenChoose)
    rule.gap = gap
    rows = torch.arange(len(losses))
    visits = torch.ones_like(rows) if visits is None else torch.tensor(visits)
    pool = Candidates(signals(losses), keep_ratio, torch.Generator(), rows, visits, 0.5, **more)
    return rule.choose(pool).nonzero().flatten().tolist()


def test_a_quarter_is_left_out_from_the_top_and_the_hardest_of_the_others_are_kept() -> None:
    # By loss: 2 (9), 5 (8), 6 (4), 0 (3), 3 (2), 7 (1), 4, 1. A quarter of eight is the first two.
    assert chosen(0.25) == [0, 3, 6, 7]
    assert chosen(torch.tensor(0.25)) == [0, 3, 6, 7]


@pytest.mark.parametrize("gap", [None, 0.0, 0.049, -0.3, NAN])
def test_without_an_estimate_or_below_the_least_it_is_top_loss(gap: float | None) -> None:
    assert chosen(gap) == [0, 2, 5, 6]


def test_the_constants_can_be_changed() -> None:
    # An eighth of eight is one: it counts from 0.125 on, and at most.
    assert chosen(0.125) == [0, 3, 5, 6]
    assert chosen(0.125, least=0.126) == [0, 2, 5, 6]
    assert chosen(0.4, most=0.125) == [0, 3, 5, 6]
    # At most a half by default, so the four lowest are left.
    assert chosen(0.9) == [1, 3, 4, 7]


def test_if_too_few_are_left_those_left_out_come_back_from_the_lowest_loss() -> None:
    # Three of four are kept and two left out, 2 (9) and 3 (4); the lower of these fills up.
    assert chosen(0.5, [1.0, 2.0, 9.0, 4.0], keep_ratio=0.75) == [0, 1, 3]


def test_the_never_seen_come_first_and_count_in_no_share() -> None:
    # Four are on record, of which a quarter is left out: 1 (9). Then 2 (8) and the two that were never seen.
    losses = [INF, 9.0, 8.0, 1.0, INF, 2.0]
    assert chosen(0.25, losses, visits=[0, 1, 1, 1, 0, 1]) == [0, 2, 4]


def test_losses_of_a_diverged_model_are_the_highest() -> None:
    assert chosen(0.25, [1.0, 2.0, NAN, 3.0]) == [1, 3]
    assert len(chosen(0.25, [NAN] * 4)) == 2


def test_the_class_shares_are_held() -> None:
    # Four of each class; the two with the highest losses, 2 and 5, are one of each.
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    assert chosen(0.25, labels=labels) == [0, 3, 6, 7]


def test_the_gap_is_validation_accuracy_minus_the_recorded_accuracy_of_the_seen() -> None:
    ledger = Ledger(8)
    assert accuracy_gap(0.5, ledger).item() == 0.5
    ledger.record(torch.arange(4), signals([1.0] * 4, [True, False, True, False]), step=0)
    assert accuracy_gap(0.75, ledger).item() == pytest.approx(0.25)


def test_in_an_environment_it_takes_the_last_evaluation() -> None:
    env = as_base_env("DataSelect/Digits-v0", epochs=4, pool_size=64, label_noise=0.4, device="cpu")
    observation, _ = env.reset(seed=0)
    rule = EstimateThenChoose()
    rule.start(env)
    mask = rule.select(observation)
    # Every sample was seen in the warm-up.
    accuracy = env.run.evaluations[-1].validation["accuracy"]
    gap = accuracy - env.run.ledger.columns["correct"].float().mean().item()
    assert float(rule.gap) == pytest.approx(gap)
    assert 0.05 < gap < 0.5
    loss = env.signals.loss
    left_out = best_share(loss, round(gap * 64) / 64)
    assert mask.tolist() == best_share(torch.where(left_out, -1.0, loss), 0.5).tolist()


def test_it_leaves_out_wrong_labels_that_top_loss_keeps() -> None:
    env = as_base_env("DataSelect/Digits-v0", epochs=8, pool_size=64, batch_size=16, label_noise=0.4, device="cpu")
    shares = [run_policy(make_policy(name), env, 0).mislabelled for name in ("estimate-then-choose", "top-loss")]
    assert shares[0] is not None and shares[1] is not None
    assert shares[0] + 0.2 < shares[1]


def test_a_run_dies_and_resumes_to_the_bit(tmp_path: Path) -> None:
    env = environment("estimate-then-choose", label_noise=0.3)
    whole = outcome(env, run_policy(make_policy("estimate-then-choose"), env, seed=3))
    assert driven("estimate-then-choose", tmp_path / "run", [11, 21], label_noise=0.3) == whole


def test_a_loop_without_a_gap_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match=r"^policy=.* needs the run's evaluations: .*; there is None$"):
        eight("estimate-then-choose")
    rule = EstimateThenChoose()
    rule.gap = "much"
    with pytest.raises(ValueError, match=r"; there is 'much'$"):
        eight(rule)


def test_a_loop_may_set_the_gap() -> None:
    ledger, rule = Ledger(8), EstimateThenChoose()
    ledger.record(torch.arange(8), signals(LOSSES), step=0)
    rule.gap = np.float64(0.25)
    selector: Selector = eight(rule, ledger=ledger)
    assert selector.choose(torch.arange(8), step=1).nonzero().flatten().tolist() == [0, 3, 6, 7]
    rule.gap = accuracy_gap(1.0, ledger)
    # All are recorded as correct, as on the validation set.
    assert selector.choose(torch.arange(8), step=2).nonzero().flatten().tolist() == [0, 2, 5, 6]
