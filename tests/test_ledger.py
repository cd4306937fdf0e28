import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from data_select_gym.ledger import Ledger
from data_select_gym.signals import Signals


def signals_of(losses: list[float], embedding: Tensor | None = None) -> Signals:
    count = len(losses)
    return Signals(
        loss=torch.tensor(losses),
        uncertainty=torch.linspace(0, 1, count),
        confidence=torch.linspace(0.5, 1, count),
        margin=torch.linspace(-1, 1, count),
        correct=torch.arange(count) % 2 == 0,
        el2n=torch.linspace(0, 1.4, count),
        embedding=embedding,
    )


def same(one: Signals, other: Signals) -> bool:
    names = one.columns().keys()
    return names == other.columns().keys() and all(
        torch.equal(one.columns()[name], other.columns()[name]) for name in names
    )


def in_ledger(signals: Signals) -> Signals:
    return replace(signals, embedding=None if signals.embedding is None else signals.embedding.half())


def test_it_takes_at_most_forty_bytes_a_sample() -> None:
    # Five signals, the previous loss, visits, last visit, and whether it was correct, of 4 bytes each.
    assert Ledger(1000).bytes_per_sample == 36 <= 40
    assert Ledger(1000, embedding_dim=16, alignment=True).bytes_per_sample == 36 + 2 * 16 + 4


def test_a_sample_never_seen_is_as_hard_and_uncertain_as_can_be() -> None:
    ledger = Ledger(3, embedding_dim=2)
    unseen = ledger.read(torch.tensor([1]))
    assert unseen.loss.tolist() == [math.inf]
    assert unseen.uncertainty.tolist() == [1]
    assert unseen.confidence.tolist() == [0]
    assert unseen.margin.tolist() == [-1]
    assert unseen.correct.tolist() == [False]
    assert unseen.el2n.tolist() == pytest.approx([math.sqrt(2)])
    assert unseen.embedding is not None and unseen.embedding.tolist() == [[0, 0]]
    assert ledger.visits.tolist() == [0, 0, 0]
    assert ledger.last_visit.tolist() == [-1, -1, -1]


@pytest.mark.parametrize("dim", [0, 3])
def test_what_is_recorded_is_read_and_no_other_sample_changes(dim: int) -> None:
    ledger = Ledger(6, embedding_dim=dim)
    rows = torch.tensor([4, 0, 5])
    signals = signals_of([0.5, 2.0, 1.0], torch.arange(9.0).view(3, 3) if dim else None)
    ledger.record(rows, signals)
    assert ledger.columns["correct"].tolist() == [False, False, False, False, True, True]
    assert same(ledger.read(rows), in_ledger(signals))
    assert same(ledger.read(torch.tensor([5, 4])), in_ledger(signals).rows(torch.tensor([2, 0])))
    others = torch.tensor([1, 2, 3])
    assert same(ledger.read(others), Ledger(6, embedding_dim=dim).read(others))


def test_what_was_read_does_not_change_with_the_ledger() -> None:
    ledger = Ledger(2)
    ledger.record(torch.arange(2), signals_of([1.0, 2.0]))
    read = ledger.read(torch.arange(2))
    ledger.record(torch.arange(2), signals_of([3.0, 4.0]))
    assert read.loss.tolist() == [1, 2]
    read.loss[:] = 9
    assert ledger.read(torch.arange(2)).loss.tolist() == [3, 4]


def test_the_previous_loss_is_that_of_the_record_before() -> None:
    ledger = Ledger(3)
    assert ledger.previous_loss.tolist() == [math.inf] * 3
    ledger.record(torch.tensor([0, 1]), signals_of([1.0, 2.0]))
    assert ledger.previous_loss.tolist() == [1, 2, math.inf]
    ledger.record(torch.tensor([1, 2]), signals_of([5.0, 6.0]))
    assert ledger.previous_loss.tolist() == [1, 2, 6]
    ledger.record(torch.tensor([1]), signals_of([7.0]))
    assert ledger.previous_loss.tolist() == [1, 5, 6]


def test_visits_are_counted_and_the_last_one_dated() -> None:
    ledger = Ledger(4)
    ledger.record(torch.tensor([0, 3]), signals_of([1.0, 2.0]), step=5)
    ledger.record(torch.tensor([3, 1]), signals_of([1.0, 2.0]), step=8)
    assert ledger.visits.tolist() == [1, 1, 0, 2]
    assert ledger.last_visit.tolist() == [5, 8, -1, 8]


def test_recording_is_no_visit() -> None:
    ledger = Ledger(2)
    ledger.record(torch.arange(2), signals_of([1.0, 2.0]))
    assert ledger.visits.tolist() == [0, 0]


def test_an_embedding_that_the_ledger_does_not_keep_is_left_out() -> None:
    ledger = Ledger(1)
    ledger.record(torch.tensor([0]), signals_of([1.0], torch.ones(1, 2)))
    assert ledger.read(torch.tensor([0])).embedding is None


def test_embeddings_are_kept_in_half_precision_and_infinite_beyond_it() -> None:
    ledger = Ledger(2, embedding_dim=3)
    values = torch.tensor([[1 / 3, 65504.0, 65520.0], [-70000.0, math.nan, 1e-9]])
    ledger.record(torch.arange(2), signals_of([1.0, 2.0], values))
    kept = ledger.read(torch.arange(2)).embedding
    assert kept is not None and kept.dtype == torch.float16
    assert kept[0].tolist() == [0.333251953125, 65504, math.inf]
    assert kept[1].tolist() == pytest.approx([-math.inf, math.nan, 0], nan_ok=True)


def test_a_state_with_embeddings_in_another_precision_is_refused_and_changes_nothing() -> None:
    ledger, other = Ledger(2, embedding_dim=3), Ledger(2, embedding_dim=3)
    other.record(torch.arange(2), signals_of([1.0, 2.0], torch.ones(2, 3)))
    state = other.state_dict() | {"embedding": torch.ones(2, 3)}
    with pytest.raises(ValueError, match=r"^the state's embedding is not torch.float16 of shape \(2, 3\)$"):
        ledger.load_state_dict(state)
    assert same(ledger.read(torch.arange(2)), Ledger(2, embedding_dim=3).read(torch.arange(2)))


def test_signals_that_do_not_fit_are_refused_and_change_nothing() -> None:
    ledger = Ledger(3, embedding_dim=2)
    with pytest.raises(ValueError, match=r"signals has 2 rows for 3 indices"):
        ledger.record(torch.arange(3), signals_of([1.0, 2.0], torch.ones(2, 2)))
    with pytest.raises(ValueError, match=r"signals lacks embedding, which this ledger keeps"):
        ledger.record(torch.arange(2), signals_of([1.0, 2.0]))
    for step in (-1, 2.5, "a"):
        with pytest.raises(ValueError, match=rf"^step={step!r} is not a whole number of at least 0$"):
            ledger.record(torch.arange(2), signals_of([1.0, 2.0], torch.ones(2, 2)), step=step)  # type: ignore[arg-type]
    assert same(ledger.read(torch.arange(3)), Ledger(3, embedding_dim=2).read(torch.arange(3)))
    assert ledger.previous_loss.tolist() == [math.inf] * 3


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"size=0 is not a whole number of at least 1"):
        Ledger(0)
    with pytest.raises(ValueError, match=r"embedding_dim=-1 is not a whole number of at least 0"):
        Ledger(3, embedding_dim=-1)


def test_columns_are_the_ledgers_own_and_what_is_read_is_not() -> None:
    ledger = Ledger(3, alignment=True)
    read = ledger.read(torch.tensor([2, 0]))
    for name, column in ledger.columns.items():
        column.fill_(True if name == "correct" else 0.25)
    assert read.loss.tolist() == [math.inf] * 2 and read.alignment is not None and read.alignment.tolist() == [0, 0]
    again = ledger.read(torch.tensor([1]))
    assert {name: column.tolist() for name, column in again.columns().items()} == {
        name: [True] if name == "correct" else [0.25] for name in ledger.columns
    }


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda ledger: pickle.loads(pickle.dumps(ledger))])
@pytest.mark.parametrize("dim", [0, 2])
def test_a_copy_has_columns_of_its_own(dim: int, copied: Callable[[Ledger], Ledger]) -> None:
    ledger = Ledger(4, embedding_dim=dim)
    ledger.record(torch.arange(2), signals_of([1.0, 2.0], torch.ones(2, dim)), step=1)
    other = copied(ledger)
    other.record(torch.arange(1, 3), signals_of([3.0, 4.0], torch.zeros(2, dim)), step=2)
    assert other.columns["loss"].tolist() == [1, 3, 4, math.inf]
    assert other.columns["correct"].tolist() == [True, True, False, False]
    assert other.previous_loss.tolist() == [1, 2, 4, math.inf]
    assert other.visits.tolist() == [1, 2, 1, 0] and other.last_visit.tolist() == [1, 2, 2, -1]
    assert ("embedding" in other.columns) == bool(dim) and other.bytes_per_sample == ledger.bytes_per_sample
    assert ledger.columns["loss"].tolist() == [1, 2, math.inf, math.inf] and ledger.visits.tolist() == [1, 1, 0, 0]


def test_a_sample_that_is_not_there_is_an_error() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError):
            Ledger(3).read(torch.tensor([index]))
