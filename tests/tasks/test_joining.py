"""Batches that are put together out of parts."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import default_collate

from data_select_gym.tasks.joining import collated_part, joined, to_device

CPU = torch.device("cpu")


class Point(NamedTuple):
    x: Any
    y: Any


def cut_and_joined(samples: list[Any], cuts: list[int]) -> Any:
    parts = [samples[start:end] for start, end in pairwise([0, *sorted(cuts), len(samples)])]
    return joined([pickle.loads(pickle.dumps(collated_part(part))) for part in parts if part], CPU)


NUMBERS = st.one_of(
    st.booleans(), st.integers(-9, 9), st.floats(-9, 9), st.sampled_from([np.int32(3), np.float32(0.1)])
)


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_numbers_of_any_kinds_have_the_type_that_they_have_together(numbers: list[Any], cuts: list[int]) -> None:
    samples = [{"number": number, "pair": (number, torch.tensor(1.0))} for number in numbers]
    got, expected = cut_and_joined(samples, cuts), default_collate(samples)
    for each, other in ((got["number"], expected["number"]), (got["pair"][0], expected["pair"][0])):
        assert each.dtype == other.dtype and torch.equal(each, other)
    assert torch.equal(got["pair"][1], torch.ones(len(numbers)))


def test_containers_and_texts_are_those_that_pytorch_makes() -> None:
    samples = [(f"a{number}", [b"b", {"c": "d"}], Point(number, "e"), ()) for number in range(5)]
    got = cut_and_joined(samples, [1, 3])
    assert got[:2] == default_collate(samples)[:2] and got[3] == []
    assert type(got[0]) is tuple and type(got[1][1]["c"]) is list
    assert isinstance(got[2], tuple) and got[2][0].tolist() == list(range(5)) and got[2][1] == ("e",) * 5


def test_tensors_take_the_type_of_the_first_if_they_can() -> None:
    small, large = torch.tensor([0.1]), torch.tensor([0.1], dtype=torch.float64)
    got = cut_and_joined([small, small, large, large], [2])
    assert got.dtype == torch.float32 and got.tolist() == small.expand(4, 1).tolist()
    with pytest.raises(TypeError, match="can't be cast"):
        cut_and_joined([torch.tensor([1]), small], [1])


@pytest.mark.parametrize("last", [torch.zeros(3), {"a": 1}])
def test_samples_that_do_not_fit_together_are_an_error(last: Any) -> None:
    with pytest.raises((RuntimeError, TypeError, AttributeError)):
        cut_and_joined([torch.zeros(2), torch.zeros(2), last], [2])
    with pytest.raises(ValueError, match="shorter"):
        cut_and_joined([(1, 2, 3), (1, 2)], [1])


def test_a_nesting_is_moved_with_everything_in_it() -> None:
    meta = torch.device("meta")
    moved = to_device({"a": torch.zeros(1), "b": [torch.zeros(2), (torch.zeros(3), "word")]}, meta)
    assert moved["a"].device == moved["b"][0].device == moved["b"][1][0].device == meta
    assert isinstance(moved["b"], list) and isinstance(moved["b"][1], tuple) and moved["b"][1][1] == "word"
    parts = [collated_part([({"a": torch.zeros(2)}, number)]) for number in range(2)]
    inputs, numbers = joined(parts, meta)
    assert inputs["a"].device == numbers.device == meta and inputs["a"].shape == (2, 2)


def test_named_tuples_stay_such() -> None:
    samples = [({"p": Point(torch.ones(2), number)}, [Point(number, "e")]) for number in range(5)]
    got = cut_and_joined(samples, [1, 3])
    assert type(got[0]["p"]) is type(got[1][0]) is Point
    assert got[0]["p"].x.shape == (5, 2) and got[1][0].x.tolist() == list(range(5))
    moved = to_device(Point(torch.zeros(1), "word"), torch.device("meta"))
    assert type(moved) is Point and moved.x.device.type == "meta" and moved.y == "word"
