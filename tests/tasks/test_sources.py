"""What a dataset may have beyond what PyTorch asks for, and how it is read then."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset

from data_select_gym.tasks import Loading, open_source, split
from data_select_gym.tasks.data import Stored, lengths_of, rows_of
from data_select_gym.tasks.sequences import Sequences
from data_select_gym.tasks.sources import to_device

CPU = torch.device("cpu")
INDICES = [torch.tensor([7, 0, 3]), torch.tensor([9]), torch.tensor([2, 1])]


class Words(Dataset[Any]):
    """Sequences with labels, that makes its own batches."""

    def __init__(self, sequences: Sequences, targets: Tensor) -> None:
        self.sequences, self.targets = sequences, targets
        self.lengths = sequences.lengths

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("it makes whole batches")

    def rows(self, indices: Tensor) -> Words:
        return Words(self.sequences.rows(indices), self.targets[indices])

    def relabelled(self, targets: Tensor) -> Words:
        return Words(self.sequences, targets)

    def to(self, device: torch.device) -> Words:
        return Words(self.sequences.to(device), self.targets)

    def batch(self, indices: Tensor) -> tuple[Any, Any]:
        return dict(zip(("tokens", "there"), self.sequences.padded(indices, 0), strict=True)), self.targets[indices]


def words(count: int = 10) -> Words:
    return Words(Sequences.of([[row + 1] * (1 + row % 4) for row in range(count)]), torch.arange(count))


class Squares(Dataset[Any]):
    """Samples in a dict; who read them is told."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        if index == 8:
            raise ValueError("sample 8 is damaged")
        return {"square": torch.tensor(index**2), "process": os.getpid()}, index


def test_a_dataset_that_makes_batches_is_asked_for_whole_ones() -> None:
    batches = list(open_source(words(), CPU).batches(INDICES))
    assert [targets.tolist() for _, targets in batches] == [[7, 0, 3], [9], [2, 1]]
    assert batches[0][0]["tokens"].tolist() == [[8, 8, 8, 8], [1, 0, 0, 0], [4, 4, 4, 4]]
    assert batches[1][0]["tokens"].tolist() == [[10, 10]]


def test_a_dataset_that_gives_its_rows_is_split_without_a_wrapper() -> None:
    assert isinstance(words(), Stored)
    rest, part = split(words(), 0.3)
    assert isinstance(rest, Words) and isinstance(part, Words)
    assert sorted(rest.targets.tolist() + part.targets.tolist()) == list(range(10))
    assert part.lengths.tolist() == [1 + row % 4 for row in part.targets.tolist()]


def test_lengths_are_looked_up_through_a_subset() -> None:
    lengths = lengths_of(Subset(Subset(words(), [3, 1, 0]), [2, 0]))
    assert lengths is not None and lengths.tolist() == [1, 4]
    assert lengths_of(Squares()) is None and lengths_of(rows_of(Squares(), torch.tensor([1]))) is None


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_of_any_nesting_are_read_in_order(workers: int) -> None:
    source = open_source(Squares(), CPU, Loading(workers=workers))
    for _ in range(2):
        batches = list(source.batches(INDICES))
        assert [inputs["square"].tolist() for inputs, _ in batches] == [[49, 0, 9], [81], [4, 1]]
        assert [targets.tolist() for _, targets in batches] == [[7, 0, 3], [9], [2, 1]]


def test_workers_read_beside_the_training_and_live_on() -> None:
    source = open_source(Squares(), CPU, Loading(workers=2))
    readers = [{int(inputs["process"][0]) for inputs, _ in source.batches(INDICES)} for _ in range(2)]
    assert readers[0] == readers[1] and len(readers[0]) == 2 and os.getpid() not in readers[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_reading_is_told_wherever_it_happened(workers: int) -> None:
    source = open_source(Squares(), CPU, Loading(workers=workers))
    with pytest.raises(ValueError, match="sample 8 is damaged"):
        list(source.batches([torch.tensor([1]), torch.tensor([8])]))


def test_samples_can_be_put_together_in_a_way_of_ones_own() -> None:
    def as_lists(samples: list[Any]) -> tuple[Any, Any]:
        return [inputs["square"] for inputs, _ in samples], [label for _, label in samples]

    ((inputs, targets),) = open_source(Squares(), CPU, Loading(collate=as_lists)).batches([torch.tensor([3, 2])])
    assert inputs == [torch.tensor(9), torch.tensor(4)] and targets == [3, 2]


def test_a_nesting_is_moved_with_everything_in_it() -> None:
    meta = torch.device("meta")
    moved = to_device({"a": torch.zeros(1), "b": [torch.zeros(2), (torch.zeros(3), "word")]}, meta)
    assert moved["a"].device == moved["b"][0].device == moved["b"][1][0].device == meta
    assert isinstance(moved["b"], list) and isinstance(moved["b"][1], tuple) and moved["b"][1][1] == "word"


@pytest.mark.parametrize(("name", "value", "least"), [("workers", -1, 0), ("workers", 1.5, 0), ("prefetch", 0, 1)])
def test_counts_out_of_their_range_are_refused(name: str, value: float, least: int) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=rf"^{name}={value} is not a whole number of at least {least}$"):
        Loading(**settings)
