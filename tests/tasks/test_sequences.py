import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_select_gym.tasks.sequences import Sequences

WORDS = [[5, 6, 7], [8], [9, 10]]
ROWS = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=9), min_size=1, max_size=12)


def test_a_batch_is_padded_to_its_own_longest() -> None:
    sequences = Sequences.of(WORDS)
    tokens, there = sequences.padded(torch.tensor([2, 1]), fill=0)
    assert tokens.tolist() == [[9, 10], [8, 0]] and tokens.dtype == torch.int64
    assert there.tolist() == [[True, True], [True, False]]
    tokens, _ = sequences.padded(torch.tensor([1, 0]), fill=3)
    assert tokens.tolist() == [[8, 3, 3], [5, 6, 7]]


@settings(deadline=None)
@given(ROWS, st.data())
def test_every_sequence_comes_back_whatever_the_batch(rows: list[list[int]], data: st.DataObject) -> None:
    sequences = Sequences.of(rows)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=8))
    tokens, there = sequences.padded(torch.tensor(chosen), fill=0)
    assert tokens.shape[1] == max(len(rows[row]) for row in chosen)
    assert [line[mask].tolist() for line, mask in zip(tokens, there, strict=True)] == [rows[row] for row in chosen]
    assert not tokens[~there].any()
    part = sequences.rows(torch.tensor(chosen))
    assert [part[row].tolist() for row in range(len(part))] == [rows[row] for row in chosen]


def test_a_sequence_costs_its_tokens_and_sixteen_bytes() -> None:
    sequences = Sequences.of([[1] * 10] * 100)
    stored = [sequences.tokens, sequences.starts, sequences.lengths]
    assert sum(tensor.numel() * tensor.element_size() for tensor in stored) == 100 * (4 * 10 + 16)
    assert sequences.rows(torch.arange(50)).tokens is sequences.tokens


@pytest.mark.parametrize("rows", [[], [[1], []]])
def test_nothing_to_read_is_refused(rows: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"^sequences: there must be at least one, and each must have a token$"):
        Sequences.of(rows)
