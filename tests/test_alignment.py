"""What is found out of the validation set: alignment with its gradient, in tensors worked out by hand."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from data_select_gym.ledger import Ledger
from data_select_gym.rewards import REWARDS, StepOutcome, ValidationGain, make_reward
from data_select_gym.signals import Signals, alignment, classification_signals, last_layer_gradient


def signals_with(error: list[list[float]], embedding: list[list[float]]) -> Signals:
    """Signals of which only error and embedding matter."""
    plain = torch.zeros(len(error))
    return Signals(plain, plain, plain, plain, plain.bool(), plain, torch.tensor(embedding), torch.tensor(error))


def aligned(values: list[float]) -> Signals:
    plain = torch.zeros(len(values))
    return Signals(plain, plain, plain, plain, plain.bool(), plain, alignment=torch.tensor(values))


def outcome_of(fresh: Signals, kept: list[bool], **more: Any) -> StepOutcome:
    mask = torch.tensor(kept)
    return StepOutcome(fresh, fresh, mask, mask.float(), (), 0.25, **more)


def head_and_batch(seed: int, count: int) -> tuple[nn.Linear, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    head = nn.Linear(4, 3)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    embedding = torch.randn(count, 4, generator=generator)
    return head, embedding, torch.randint(3, (count,), generator=generator)


def test_the_error_is_the_prediction_minus_the_label() -> None:
    logits = torch.tensor([[math.log(0.7), math.log(0.2), math.log(0.1)]])
    signals = classification_signals(logits, torch.tensor([1]), torch.zeros(1), torch.zeros(1, 2))
    assert signals.error is not None
    assert signals.error[0].tolist() == pytest.approx([0.7, -0.8, 0.1])


def test_nothing_is_kept_of_the_error_where_nobody_asks_for_the_embedding() -> None:
    assert classification_signals(torch.zeros(1, 3), torch.tensor([1]), torch.zeros(1)).error is None


def test_the_last_layer_gradient_by_hand() -> None:
    signals = signals_with([[0.5, -0.5], [-0.1, 0.1]], [[1.0, 0.0, 2.0], [0.0, 10.0, 0.0]])
    # Half the sum of the outer products.
    assert last_layer_gradient(signals).tolist() == [
        pytest.approx([0.25, -0.5, 0.5]),
        pytest.approx([-0.25, 0.5, -0.5]),
    ]


def test_alignment_by_hand() -> None:
    # G = [[3, 0], [0, -4]], |G| = 5. The first sample's gradient is [[0.5, 1], [-0.5, -1]]: 1.5 + 4 = 5.5.
    # The second's is [[-1, 0], [1, 0]]: -3.
    gradient = torch.tensor([[3.0, 0.0], [0.0, -4.0]])
    signals = signals_with([[0.5, -0.5], [-1.0, 1.0]], [[1.0, 2.0], [1.0, 0.0]])
    assert alignment(signals, gradient).tolist() == pytest.approx([5.5 / 5, -3 / 5])


@given(st.integers(0, 10_000), st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_the_last_layer_gradient_is_that_of_automatic_differentiation(seed: int, count: int) -> None:
    head, embedding, labels = head_and_batch(seed, count)
    logits = head(embedding)
    F.cross_entropy(logits, labels).backward()
    signals = classification_signals(logits, labels, torch.zeros(count), embedding)
    assert head.weight.grad is not None
    torch.testing.assert_close(last_layer_gradient(signals), head.weight.grad, rtol=1e-4, atol=1e-6)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_a_small_step_on_a_sample_lowers_the_validation_loss_by_its_alignment(seed: int) -> None:
    head, embedding, labels = head_and_batch(seed, 6)
    head, embedding = head.double(), embedding.double()
    validation, sample = slice(0, 5), slice(5, 6)

    def look(rows: slice) -> Signals:
        return classification_signals(head(embedding[rows]), labels[rows], embedding[rows, 0], embedding[rows])

    def loss() -> float:
        return F.cross_entropy(head(embedding[validation]), labels[validation]).item()

    gradient = last_layer_gradient(look(validation))
    expected = (alignment(look(sample), gradient) * gradient.norm()).item()
    before, rate = loss(), 1e-4
    with torch.no_grad():
        head.weight -= rate * last_layer_gradient(look(sample))
    assert (before - loss()) / rate == pytest.approx(expected, abs=0.02 * (1 + abs(expected)))


@pytest.mark.parametrize("function", [last_layer_gradient, lambda signals: alignment(signals, torch.zeros(2, 2))])
def test_an_objective_without_errors_cannot_be_aligned(function: Any) -> None:
    plain = torch.zeros(2)
    signals = Signals(plain, plain, plain, plain, plain.bool(), plain, torch.zeros(2, 2))
    with pytest.raises(ValueError, match="alignment needs an objective"):
        function(signals)


def test_a_ledger_keeps_the_alignment_only_if_asked() -> None:
    rows = torch.tensor([2])
    Ledger(3).record(rows, aligned([0.5]))
    ledger = Ledger(3, alignment=True)
    ledger.record(rows, aligned([0.5]))
    assert ledger.columns["alignment"].tolist() == [0, 0, 0.5]
    with pytest.raises(ValueError, match="lacks alignment"):
        ledger.record(rows, aligned([0.5]).rows(torch.tensor([0])).__class__(*[torch.zeros(1)] * 6))


def test_the_alignment_reward_pays_the_kept_their_alignment() -> None:
    rewards, terms = REWARDS["alignment"](outcome_of(aligned([0.5, -2.0, 4.0]), [True, True, False]))
    assert rewards.tolist() == [0.5, -2.0, 0.0]
    assert terms["alignment"].item() == pytest.approx(-0.75)


def test_the_priced_alignment_reward_pays_the_rank_less_the_price() -> None:
    # Of three, the ranks are 1/6, 3/6, 5/6; the price is 1/4.
    rewards, _ = REWARDS["priced-alignment"](outcome_of(aligned([-1.0, 0.0, 9.0]), [True, False, True]))
    assert rewards.tolist() == pytest.approx([1 / 6 - 1 / 4, 0, 5 / 6 - 1 / 4])


def test_the_validation_gain_is_paid_to_every_slot_by_the_share_kept() -> None:
    outcome = outcome_of(aligned([0.0] * 4), [True, False, True, False], validation_gain=torch.tensor(0.3))
    rewards, terms = ValidationGain()(outcome)
    assert rewards.tolist() == pytest.approx([0.6] * 4)
    assert terms["gain"].item() == pytest.approx(0.3)


def test_the_validation_gain_of_keeping_nothing_is_nothing() -> None:
    outcome = outcome_of(aligned([0.0] * 2), [False, False], validation_gain=torch.tensor(0.0))
    assert ValidationGain()(outcome)[0].tolist() == [0, 0]


@pytest.mark.parametrize("name", ["alignment", "priced-alignment", "validation-gain"])
def test_a_reward_says_what_is_missing(name: str) -> None:
    plain = torch.zeros(2)
    fresh = Signals(plain, plain, plain, plain, plain.bool(), plain)
    with pytest.raises(ValueError, match=r"alignment=True|validation_gain=True"):
        REWARDS[name](outcome_of(fresh, [True, True]))


def test_rewards_say_what_they_need_of_the_validation_set() -> None:
    assert make_reward("priced-composite").needs == frozenset()
    assert make_reward("priced-alignment").needs == {"alignment"}
    assert make_reward({"alignment": 1.0, "validation-gain": 2.0}).needs == {"alignment", "validation_gain"}


def test_a_reward_of_ones_own_may_need_them_too() -> None:
    def own(outcome: StepOutcome) -> Tensor:
        return outcome.action

    assert make_reward(own).needs == frozenset()
    own.needs = ("alignment",)  # type: ignore[attr-defined]
    assert make_reward(own).needs == {"alignment"}
    own.needs = ("weather",)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"reward.needs='weather'"):
        _ = make_reward(own).needs
