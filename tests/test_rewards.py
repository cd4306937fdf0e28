import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from data_select_gym.rewards import (
    REWARDS,
    SAMPLE_SCORES,
    KeptScore,
    MinibatchScore,
    Price,
    PricedScore,
    StepOutcome,
    alignment,
    composite,
    difficulty,
    finite_loss,
    make_reward,
    rank,
    scaled_loss,
    uncertainty,
)
from data_select_gym.rewards.sample_scores import upper_quantile
from data_select_gym.signals import Signals

# Losses 0 and 1 have the 0.95 quantile 0.95 by linear interpolation, to which 1 is clipped, so that d = 0 and 1, whose
# variance is 0.25. Uncertainties 0.2 and 0.8 have the variance 0.09. So w = 0.25 / (0.25 + 0.09).
WEIGHT = 0.25 / 0.34


def signals_of(losses: Sequence[float], uncertainties: Sequence[float]) -> Signals:
    loss, unsure = torch.tensor(losses), torch.tensor(uncertainties)
    return Signals(loss, unsure, 1 - unsure, torch.zeros_like(loss), torch.zeros_like(loss).bool(), loss)


REFERENCE = signals_of([0.0, 1.0], [0.2, 0.8])


def outcome_of(
    fresh: Signals,
    action: Sequence[float],
    *,
    recorded: Signals | None = None,
    minibatches: Sequence[Sequence[int]] = (),
    price: float = 0.5,
) -> StepOutcome:
    scores = torch.tensor(action)
    parts = tuple(torch.tensor(part) for part in minibatches)
    return StepOutcome(fresh if recorded is None else recorded, fresh, scores > 0, scores, parts, price)


def as_floats(terms: dict[str, Tensor]) -> dict[str, float]:
    assert all(term.ndim == 0 for term in terms.values())
    return {name: term.item() for name, term in terms.items()}


def test_difficulty_by_hand() -> None:
    signals = signals_of([0.0, 1.0, 2.0, 3.0, 4.0], [0.0] * 5)
    value, parts = difficulty(signals)(signals)
    # The 0.95 quantile is at position 0.95 * 4 = 3.8, so 3 + 0.8 * (4 - 3) = 3.8, to which 4 is clipped.
    assert value.tolist() == pytest.approx([0, 1 / 3.8, 2 / 3.8, 3 / 3.8, 1])
    assert parts.keys() == {"difficulty"} and torch.equal(parts["difficulty"], value)


def test_difficulty_is_measured_by_the_reference() -> None:
    # Clipped at 0.95 and divided by 0.95 - 0: 0.38 / 0.95 = 0.4; what is beyond the ends is at the ends.
    value, _ = difficulty(REFERENCE)(signals_of([0.38, 0.95, 7.0, -3.0], [0.0] * 4))
    assert value.tolist() == pytest.approx([0.4, 1, 1, 0])


def test_uncertainty_is_that_of_the_prediction() -> None:
    value, parts = uncertainty(REFERENCE)(signals_of([5.0, 6.0], [0.3, 0.7]))
    assert value.tolist() == pytest.approx([0.3, 0.7])
    assert parts.keys() == {"uncertainty"}


def test_composite_by_hand() -> None:
    value, parts = composite(REFERENCE)(REFERENCE)
    # 0.735294 * 0 + 0.264706 * 0.2 and 0.735294 * 1 + 0.264706 * 0.8
    assert value.tolist() == pytest.approx([0.0529412, 0.9470588], abs=1e-6)
    assert parts["weight"].item() == pytest.approx(WEIGHT) == pytest.approx(0.735294, abs=1e-6)
    assert parts["difficulty"].tolist() == pytest.approx([0, 1])
    assert parts["uncertainty"].tolist() == pytest.approx([0.2, 0.8])


def test_composite_takes_scale_and_weight_from_the_reference() -> None:
    value, parts = composite(REFERENCE)(signals_of([0.38, 7.0], [0.5, 0.0]))
    # d = 0.4 and 1: 0.735294 * 0.4 + 0.264706 * 0.5 and 0.735294
    assert value.tolist() == pytest.approx([0.4264706, 0.7352941], abs=1e-6)
    assert parts["weight"].item() == pytest.approx(WEIGHT)


@pytest.mark.parametrize(
    ("losses", "uncertainties", "weight"),
    [([0.0, 1.0], [0.5, 0.5], 1.0), ([2.0, 2.0], [0.2, 0.8], 0.0), ([2.0, 2.0], [0.5, 0.5], 0.0), ([2.0], [0.5], 0.0)],
)
def test_the_weight_goes_to_what_tells_samples_apart(
    losses: list[float], uncertainties: list[float], weight: float
) -> None:
    signals = signals_of(losses, uncertainties)
    assert composite(signals)(signals)[1]["weight"].item() == pytest.approx(weight, abs=1e-6)


def test_losses_that_are_not_finite_count_as_the_largest_finite_one() -> None:
    loss = torch.tensor([1.0, math.nan, 3.0, math.inf, -math.inf])
    assert finite_loss(loss).tolist() == [1, 3, 3, 3, 3]
    assert finite_loss(torch.tensor([math.nan, math.inf])).tolist() == [0, 0]
    # Clipped at the quantile of 0 and 1, so as hard as the hardest.
    assert scaled_loss(torch.tensor([math.nan, math.inf]), REFERENCE.loss).tolist() == [1, 1]


def test_losses_of_any_size_are_scaled() -> None:
    largest = torch.finfo(torch.float32).max
    losses = torch.tensor([-largest, 0, largest])
    # The 0.95 quantile is at position 0.95 * 2 = 1.9, so 0.9 times the largest; 0 is at 1 / 1.9 of the way to it.
    assert scaled_loss(losses, losses).tolist() == pytest.approx([0, 1 / 1.9, 1])


def test_an_alignment_that_a_diverged_model_does_not_give_is_zero() -> None:
    values = torch.tensor([math.nan, math.inf, -math.inf, 2.0])
    signals = replace(signals_of([1.0] * 4, [0.5] * 4), alignment=values)
    reward, terms = KeptScore(alignment)(outcome_of(signals, [1.0] * 4))
    assert reward.tolist() == [0, 0, 0, 2] and terms["alignment"] == 0.5


@pytest.mark.parametrize("gain", [math.nan, math.inf, -math.inf])
def test_a_gain_that_a_diverged_model_does_not_give_is_zero(gain: float) -> None:
    outcome = replace(outcome_of(REFERENCE, [1.0, 0.0]), validation_gain=torch.tensor(gain))
    reward, terms = make_reward("validation-gain")(outcome)
    assert reward.tolist() == [0, 0] and terms["gain"] == 0


def test_an_uncertainty_that_is_not_a_number_counts_as_the_highest() -> None:
    assert uncertainty(REFERENCE)(signals_of([1.0], [math.nan]))[0].tolist() == [1]


def test_rank_by_hand() -> None:
    reference = torch.tensor([3.0, 1.0, 4.0, 2.0])
    # 2.5 is above two of four. 2 is above one and level with itself: (1 + 2) / 2 of 4.
    assert rank(torch.tensor([2.5, 2.0]), reference).tolist() == [0.5, 0.375]


def test_rank_of_the_extremes_and_of_ties() -> None:
    assert rank(torch.tensor([-1.0, 9.0]), torch.arange(4.0)).tolist() == [0, 1]
    # Three of four are level with it and none below: (0 + 3) / 2 of 4; the fourth: (3 + 4) / 2 of 4.
    assert rank(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0, 1.0, 1.0])).tolist() == [0.375, 0.875]
    assert rank(torch.full((3,), 0.7), torch.full((5,), 0.7)).tolist() == [0.5, 0.5, 0.5]


def test_the_reward_for_kept_samples_is_action_times_quality() -> None:
    outcome = outcome_of(signals_of([0.38, 7.0], [0.5, 0.0]), [0.6, 0.0], recorded=REFERENCE)
    reward, terms = KeptScore(composite)(outcome)
    # 0.6 * 0.426471, and nothing for the dropped one; the terms are those of the kept one.
    assert reward.tolist() == pytest.approx([0.2558824, 0], abs=1e-6)
    assert as_floats(terms) == pytest.approx(
        {"difficulty": 0.4, "uncertainty": 0.5, "weight": WEIGHT, "quality": 0.4264706}, abs=1e-6
    )


def test_terms_are_means_over_the_kept_samples_and_zero_if_there_are_none() -> None:
    fresh = signals_of([0.0, 0.38, 0.95], [0.1, 0.3, 0.8])
    _, terms = KeptScore(difficulty)(outcome_of(fresh, [0.5, 1.0, 0.0], recorded=REFERENCE))
    assert as_floats(terms) == pytest.approx({"difficulty": (0 + 0.4) / 2, "quality": (0 + 0.4) / 2})
    reward, terms = KeptScore(difficulty)(outcome_of(fresh, [0.0, 0.0, 0.0], recorded=REFERENCE))
    assert reward.tolist() == [0, 0, 0]
    assert as_floats(terms) == {"difficulty": 0, "quality": 0}


def test_the_minibatch_reward_judges_each_minibatch_by_itself() -> None:
    fresh = signals_of([0.0, 1.0, 5.0, 10.0, 20.0], [0.5] * 5)
    outcome = outcome_of(fresh, [1.0, 0.5, 0.0, 0.8, 0.25], minibatches=[[1, 0], [3, 4]])
    # Each minibatch is stretched to [0, 1]: d = 0, 1 in both. Uncertainties are equal: w = 0.25 / (0.25 + 1e-8), q = d.
    reward, terms = MinibatchScore(composite)(outcome)
    assert reward.tolist() == pytest.approx([0, 0.5, 0, 0, 0.25], abs=1e-6)
    assert as_floats(terms) == pytest.approx(
        {"difficulty": 0.5, "uncertainty": 0.5, "weight": 1, "quality": 0.5}, abs=1e-6
    )


def test_minibatch_terms_are_means_over_the_samples() -> None:
    fresh = signals_of([0.0, 1.0, 2.0, 4.0, 3.0], [0.1, 0.2, 0.3, 0.4, 1.0])
    outcome = outcome_of(fresh, [1.0] * 5, minibatches=[[0, 1, 2], [3, 4]])
    _, terms = MinibatchScore(uncertainty)(outcome)
    assert as_floats(terms) == pytest.approx({"uncertainty": 2.0 / 5, "quality": 2.0 / 5})


def test_without_an_update_the_minibatch_reward_is_zero() -> None:
    reward, _ = MinibatchScore(composite)(outcome_of(REFERENCE, [1.0, 0.0]))
    assert reward.tolist() == [0, 0]


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=60), st.sampled_from([0.0, 0.95, 1.0]))
def test_the_upper_quantile_is_to_the_bit_that_of_pytorch(values: list[float], share: float) -> None:
    among = torch.tensor(values)
    assert torch.equal(upper_quantile(among, share), torch.quantile(among, share))


@given(st.lists(st.floats(0, 4, width=16) | st.just(math.inf), min_size=1, max_size=20))
def test_values_have_the_same_ranks_among_themselves_as_in_a_copy_of_themselves(values: list[float]) -> None:
    among = torch.tensor(values)
    assert torch.equal(rank(among), rank(among, among))


SINGLE = st.floats(width=32, allow_nan=False)


@given(st.lists(SINGLE, min_size=1, max_size=20), st.lists(SINGLE, min_size=1, max_size=20))
def test_ranks_are_the_shares_below_and_half_of_those_level(values: list[float], reference: list[float]) -> None:
    expected = [(sum(r < v for r in reference) + sum(r <= v for r in reference)) / 2 for v in values]
    for dtype in (torch.float32, torch.float64):  # which are sorted by NumPy and by torch
        ranks = rank(torch.tensor(values, dtype=dtype), torch.tensor(reference, dtype=dtype))
        assert ranks.tolist() == pytest.approx([position / len(reference) for position in expected])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sets_are_ranked_each_among_itself(dtype: torch.dtype) -> None:
    sets = torch.tensor([[3.0, 1.0, math.inf, 1.0], [-math.inf, 0.0, -0.0, 5.0]], dtype=dtype)
    assert rank(sets).tolist() == [[0.625, 0.25, 0.875, 0.25], [0.125, 0.5, 0.5, 0.875]]


@given(st.lists(st.tuples(st.floats(0, 4, width=16), st.floats(0, 1, width=16)), min_size=1, max_size=20))
def test_a_composite_is_the_same_against_itself_as_against_a_copy_of_itself(rows: list[tuple[float, float]]) -> None:
    losses, uncertainties = zip(*rows, strict=True)
    signals = signals_of(losses, uncertainties)
    (value, parts), (other, others) = composite(signals)(signals), composite(replace(signals))(signals)
    assert torch.equal(value, other)
    for name, part in parts.items():
        assert torch.equal(part, others[name]), name


def test_the_priced_reward_is_rank_minus_price_for_kept_samples_alone() -> None:
    recorded = signals_of([0.0, 1.0, 2.0, 3.0, 4.0], [0.0] * 5)
    fresh = signals_of([2.5, 1.0, 0.0, 9.0, 4.0], [0.0] * 5)
    outcome = outcome_of(fresh, [1.0, 0.3, 1.0, 1.0, 0.0], recorded=recorded, price=0.3)
    reward, terms = PricedScore(difficulty)(outcome)
    # 2.5 is above three of five. The next two are level with one, (1 + 2) / 2 and (0 + 1) / 2 of five, and the clipped
    # one too, (4 + 5) / 2 of five.
    assert reward.tolist() == pytest.approx([0.6 - 0.3, 0.3 - 0.3, 0.1 - 0.3, 0.9 - 0.3, 0])
    assert as_floats(terms)["rank"] == pytest.approx((0.6 + 0.3 + 0.1 + 0.9) / 4)
    assert as_floats(terms)["quality"] == pytest.approx((2.5 / 3.8 + 1 / 3.8 + 0 + 1) / 4)


def test_what_the_action_did_not_choose_is_not_paid() -> None:
    signals = signals_of([0.0, 1.0, 2.0, 3.0], [0.0] * 4)
    outcome = replace(
        outcome_of(signals, [0.0, 1.0, 1.0, 0.0], price=0.3), kept=torch.tensor([True, False, True, True])
    )
    outcome = replace(outcome, action=outcome.action * outcome.kept, chosen=torch.tensor([False, False, True, False]))
    reward, terms = PricedScore(difficulty)(outcome)
    # 2 is above two of four and level with itself: (2 + 3) / 2 of four. The terms are of all that was trained on.
    assert reward.tolist() == pytest.approx([0, 0, 0.625 - 0.3, 0])
    assert as_floats(terms)["rank"] == pytest.approx((0.125 + 0.625 + 0.875) / 3)
    quality, _ = KeptScore(difficulty)(outcome)
    assert (quality > 0).tolist() == [False, False, True, False]


def test_the_price_starts_at_the_share_to_drop_and_moves_with_what_was_kept() -> None:
    price = Price(0.3)
    assert price.value == pytest.approx(0.7)
    price.move(0.3)
    assert price.value == pytest.approx(0.7)
    price.move(0.8)  # 0.7 + 0.1 * (0.8 - 0.3)
    assert price.value == pytest.approx(0.75)
    price.move(0.1)  # 0.75 + 0.1 * (0.1 - 0.3)
    assert price.value == pytest.approx(0.73)


def test_the_price_stays_within_zero_and_one() -> None:
    price = Price(0.3)
    for _ in range(10):
        price.move(1.0)
    assert price.value == 1
    for _ in range(100):
        price.move(0.0)
    assert price.value == 0


@pytest.mark.parametrize("keep_ratio", [0, 1.2, math.nan])
def test_the_price_needs_a_keep_ratio(keep_ratio: float) -> None:
    with pytest.raises(ValueError, match=r"^keep_ratio=.* is not a number in \(0, 1\]$"):
        Price(keep_ratio)


def test_names_make_the_rewards_that_they_say() -> None:
    for name, quality in SAMPLE_SCORES.items():
        kept, priced = make_reward(name), make_reward(f"priced-{name}")
        assert isinstance(kept, KeptScore) and kept.sample_score is quality
        assert isinstance(priced, PricedScore) and priced.sample_score is quality
    assert make_reward("minibatch-composite") == MinibatchScore(composite)


def test_a_weighted_sum_by_hand() -> None:
    outcome = outcome_of(signals_of([0.38, 0.95], [0.5, 0.1]), [1.0, 1.0], recorded=REFERENCE)
    reward, terms = make_reward({"difficulty": 0.7, "uncertainty": -2})(outcome)
    # 0.7 * 0.4 - 2 * 0.5 and 0.7 * 1 - 2 * 0.1
    assert reward.tolist() == pytest.approx([-0.72, 0.5])
    assert as_floats(terms) == pytest.approx(
        {
            "difficulty": 0.7,
            "difficulty/difficulty": 0.7,
            "difficulty/quality": 0.7,
            "uncertainty": 0.3,
            "uncertainty/uncertainty": 0.3,
            "uncertainty/quality": 0.3,
        }
    )


def test_a_callable_may_return_rewards_alone_or_with_terms() -> None:
    outcome = outcome_of(REFERENCE, [1.0, 0.0])
    reward, terms = make_reward(lambda outcome: outcome.kept)(outcome)
    assert reward.tolist() == [1, 0] and reward.dtype == torch.float32 and terms == {}
    loss = REFERENCE.loss.clone().requires_grad_()
    reward, terms = make_reward(lambda outcome: (2 * loss, {"total": 3, "mean": loss.double().mean()}))(outcome)
    assert reward.tolist() == [0, 2] and not reward.requires_grad
    assert as_floats(terms) == {"total": 3, "mean": 0.5}


@pytest.mark.parametrize(
    ("result", "got"),
    [(torch.zeros(3), r"\(3,\)"), (torch.zeros(()), r"\(\)"), ([1.0, 0.0], "list"), (None, "NoneType")],
)
def test_a_callable_must_return_one_reward_a_candidate(result: Any, got: str) -> None:
    for reward in (make_reward(lambda _: result), make_reward(lambda _: (result, {}))):
        with pytest.raises(ValueError, match=rf"^reward returned {got}; a tensor of shape \(2,\) is needed$"):
            reward(outcome_of(REFERENCE, [1.0, 0.0]))


def test_unknown_rewards_are_refused_with_the_known_ones() -> None:
    for unknown in ("loss", {"difficulty": 1, "loss": 1}):
        with pytest.raises(ValueError, match=r"^reward='loss' is not known; known are: ") as caught:
            make_reward(unknown)
        assert all(name in str(caught.value) for name in REWARDS)


def test_rewards_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^reward={} is empty; it needs a weight for one of: difficulty"):
        make_reward({})
    for weight in (math.nan, math.inf, "1", None):
        with pytest.raises(ValueError, match=r"^reward\['difficulty'\]=.* is not a finite number$"):
            make_reward({"difficulty": weight})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match=r"^reward=3 is not a name, a mapping of names to weights, or a callable$"):
        make_reward(3)  # type: ignore[arg-type]


LARGEST = torch.finfo(torch.float32).max
LOSSES = st.sampled_from([0.0, 1.0, 1e30, math.inf, math.nan]) | st.floats(0, LARGEST, width=32)
UNCERTAINTIES = st.sampled_from([0.0, 0.5, 1.0, math.nan]) | st.floats(0, 1, width=32)
ACTIONS = st.just(0.0) | st.floats(0, 1, width=32)
ROWS = st.lists(st.tuples(LOSSES, UNCERTAINTIES, LOSSES, UNCERTAINTIES, ACTIONS), min_size=1, max_size=8)


@settings(deadline=None)
@given(ROWS, st.floats(0, 1))
def test_rewards_are_finite_and_in_range_whatever_the_signals(rows: list[tuple[float, ...]], price: float) -> None:
    recorded_loss, recorded_unsure, loss, unsure, action = zip(*rows, strict=True)
    kept = [position for position, score in enumerate(action) if score > 0]
    outcome = outcome_of(
        signals_of(loss, unsure),
        action,
        recorded=signals_of(recorded_loss, recorded_unsure),
        minibatches=[kept[::2], kept[1::2]] if len(kept) > 1 else [],
        price=price,
    )
    # The alignment has no range, and the validation gain pays what is dropped as well.
    for name, reward in [(name, reward) for name, reward in REWARDS.items() if not reward.needs]:
        values, terms = reward(outcome)
        low, high = (-price, 1 - price) if name.startswith("priced-") else (0, 1)
        assert values.shape == outcome.kept.shape and values.isfinite().all()
        assert (values >= low - 1e-6).all() and (values <= high + 1e-6).all()
        assert (values[~outcome.kept] == 0).all()
        assert all(-1e-6 <= term <= 1 + 1e-6 for term in as_floats(terms).values())


@settings(deadline=None)
@given(st.lists(st.tuples(LOSSES, UNCERTAINTIES), min_size=1, max_size=8), st.integers(1, 8))
def test_quality_is_finite_and_in_range_whatever_the_reference(rows: list[tuple[float, float]], count: int) -> None:
    signals = signals_of(*zip(*rows, strict=True))
    reference = signals.rows(torch.arange(min(count, len(rows))))
    for quality in (difficulty, uncertainty, composite):
        value, _ = quality(reference)(signals)
        assert value.isfinite().all() and (value >= 0).all() and (value <= 1 + 1e-6).all()
        position = rank(value, quality(reference)(reference)[0])
        assert (position >= 0).all() and (position <= 1).all()


def test_a_function_is_named_by_its_path_alone_and_in_a_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def mine(outcome):\n    return outcome.action * 2\n\nmine.needs = {'validation_gain'}\n"
    (tmp_path / "own_rewards_module.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    made = make_reward("own_rewards_module:mine")
    outcome = outcome_of(signals_of([1, 2, 3, 4], [0.1] * 4), [0.5, 0.0, 1.0, 0.0])
    value, _ = made(outcome)
    assert torch.equal(value, 2 * outcome.action)
    assert made.needs == {"validation_gain"}
    summed = make_reward({"own_rewards_module:mine": 0.5, "difficulty": 0.0})
    assert torch.equal(summed(outcome)[0], outcome.action)
    assert summed.needs == {"validation_gain"}
