import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from data_select_gym.signals import Signals, classification_signals


def signals_of(logits: list[list[float]], labels: list[int], embedding: Tensor | None = None) -> Signals:
    return classification_signals(torch.tensor(logits), torch.tensor(labels), torch.zeros(len(labels)), embedding)


def log_odds(*probabilities: float) -> list[float]:
    return [math.log(probability) for probability in probabilities]


def test_signals_of_a_right_prediction_by_hand() -> None:
    signals = signals_of([log_odds(0.7, 0.2, 0.1)], [0])
    # 0.7 * 0.356675 + 0.2 * 1.609438 + 0.1 * 2.302585 = 0.801819, over log 3 = 1.098612
    assert signals.uncertainty.item() == pytest.approx(0.801819 / 1.098612, rel=1e-5)
    assert signals.confidence.item() == pytest.approx(0.7)
    assert signals.margin.item() == pytest.approx(0.7 - 0.2)
    assert signals.correct.item() is True
    # (0.7 - 1)^2 + 0.2^2 + 0.1^2
    assert signals.el2n.item() == pytest.approx(math.sqrt(0.09 + 0.04 + 0.01))


def test_signals_of_a_wrong_prediction_by_hand() -> None:
    signals = signals_of([log_odds(0.7, 0.2, 0.1)], [2])
    assert signals.uncertainty.item() == pytest.approx(0.801819 / 1.098612, rel=1e-5)
    assert signals.confidence.item() == pytest.approx(0.7)
    assert signals.margin.item() == pytest.approx(0.1 - 0.7)
    assert signals.correct.item() is False
    # 0.7^2 + 0.2^2 + (0.1 - 1)^2
    assert signals.el2n.item() == pytest.approx(math.sqrt(0.49 + 0.04 + 0.81))


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
def test_a_uniform_prediction_is_as_uncertain_as_can_be_whatever_the_number_of_classes(classes: int) -> None:
    signals = signals_of([[0.0] * classes], [classes - 1])
    # -C (1/C) log(1/C + 1e-8) / log C, which for C = 1000 is (6.907755 - 1e-5) / 6.907755
    expected = -math.log(1 / classes + 1e-8) / math.log(classes)
    assert signals.uncertainty.item() == pytest.approx(expected, abs=5e-7)
    assert signals.confidence.item() == pytest.approx(1 / classes)
    assert signals.margin.item() == 0
    assert signals.el2n.item() == pytest.approx(math.sqrt(1 - 1 / classes))


def test_certain_predictions_are_finite_and_at_the_ends_of_the_ranges() -> None:
    signals = signals_of([[0.0, -1e4], [0.0, -1e4]], [0, 1])
    assert signals.uncertainty.tolist() == [0, 0]
    assert signals.confidence.tolist() == [1, 1]
    assert signals.margin.tolist() == [1, -1]
    assert signals.correct.tolist() == [True, False]
    assert signals.el2n.tolist() == pytest.approx([0, math.sqrt(2)])


def test_the_error_norm_of_a_confident_prediction_keeps_its_digits() -> None:
    # The two errors are -p and p with p = 1 / (1 + e^10) = 4.53979e-5.
    assert signals_of([[10.0, 0.0]], [0]).el2n.item() == pytest.approx(math.sqrt(2) * 4.53979e-5, rel=1e-2)


@settings(deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda classes: st.lists(
            st.tuples(
                st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=classes, max_size=classes),
                st.integers(0, classes - 1),
            ),
            min_size=1,
            max_size=5,
        )
    )
)
def test_signals_of_finite_logits_are_in_their_ranges(rows: list[tuple[list[float], int]]) -> None:
    signals = signals_of([logits for logits, _ in rows], [label for _, label in rows])
    classes = len(rows[0][0])
    for column, low, high in [
        (signals.uncertainty, 0.0, 1.0),
        (signals.confidence, 1 / classes, 1.0),
        (signals.margin, -1.0, 1.0),
        (signals.el2n, 0.0, math.sqrt(2)),
    ]:
        assert column.dtype == torch.float32
        assert (column >= low - 1e-6).all() and (column <= high + 1e-6).all()
    assert torch.equal(signals.correct, signals.margin > 0)


def test_a_diverged_prediction_is_not_correct() -> None:
    assert not signals_of([[math.nan, math.nan]], [0]).correct.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_signals_hold_the_loss_and_the_embedding_without_their_gradients(dtype: torch.dtype) -> None:
    logits = torch.randn(3, 4, dtype=dtype, requires_grad=True)
    losses = logits.sum(dim=1)
    signals = classification_signals(logits, torch.tensor([0, 1, 2]), losses, logits * 2)
    assert torch.equal(signals.loss, losses.detach().float())
    assert signals.embedding is not None and torch.equal(signals.embedding, logits.detach().float() * 2)
    for name, column in signals.columns().items():
        assert not column.requires_grad
        assert column.dtype == (torch.bool if name == "correct" else torch.float32)


def numbered(*values: float, embed: bool = False) -> Signals:
    column = torch.tensor(values)
    return Signals(column, column / 10, column, column, column > 1, column, column.unsqueeze(1) if embed else None)


def test_columns_are_those_that_are_there() -> None:
    names = ["loss", "uncertainty", "confidence", "margin", "correct", "el2n"]
    assert list(numbered(1.0).columns()) == names
    assert list(numbered(1.0, embed=True).columns()) == [*names, "embedding"]
    assert len(numbered(1.0, 2.0, 3.0)) == 3


@pytest.mark.parametrize("embed", [False, True])
def test_rows_are_taken_and_joined(embed: bool) -> None:
    signals = numbered(0.0, 1.0, 2.0, 3.0, embed=embed)
    for made, expected in [
        (signals.rows(torch.tensor([3, 0])), numbered(3.0, 0.0, embed=embed)),
        (Signals.concatenated([signals, numbered(9.0, embed=embed)]), numbered(0.0, 1.0, 2.0, 3.0, 9.0, embed=embed)),
    ]:
        assert made.columns().keys() == expected.columns().keys()
        assert all(torch.equal(column, expected.columns()[name]) for name, column in made.columns().items())
    assert signals.loss.tolist() == [0, 1, 2, 3]
