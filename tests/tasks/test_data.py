import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import Dataset, Subset, TensorDataset

from data_select_gym.tasks import open_source, split
from data_select_gym.tasks.data import labels_of, length

CPU = torch.device("cpu")


def tensors(count: int = 10) -> TensorDataset:
    return TensorDataset(torch.arange(2.0 * count).view(count, 2), torch.arange(count) % 3)


class Counted(Dataset[tuple[Tensor, int]]):
    """The same samples, read one by one and counted."""

    def __init__(self, count: int = 10) -> None:
        self.inputs, self.labels = tensors(count).tensors
        self.opened: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.opened[index] += 1
        return self.inputs[index], int(self.labels[index])


class Doubled(TensorDataset):
    """A dataset of tensors with a transformation of its own."""

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        inputs, target = super().__getitem__(index)  # type: ignore[no-untyped-call]
        return 2 * inputs, target


class Endless(Dataset[int]):
    """Without a length."""


INDICES = [torch.tensor([7, 0, 3]), torch.tensor([9]), torch.tensor([2, 1])]


@pytest.mark.parametrize("make", [tensors, Counted, lambda: Subset(Counted(12), range(10))])
def test_every_source_gives_the_samples_asked_for_in_their_order(make: Callable[[], Dataset[Any]]) -> None:
    inputs, targets = tensors().tensors
    batches = list(open_source(make(), CPU).batches(INDICES))
    assert len(batches) == len(INDICES)
    for indices, (got, labels) in zip(INDICES, batches, strict=True):
        assert torch.equal(got, inputs[indices]) and got.dtype == inputs.dtype
        assert torch.equal(labels, targets[indices]) and labels.dtype == torch.int64


def test_batches_are_copies() -> None:
    dataset = tensors()
    for inputs, targets in open_source(dataset, CPU).batches([torch.arange(10)]):
        inputs.zero_()
        targets.zero_()
    assert torch.equal(dataset.tensors[0], tensors().tensors[0])
    assert torch.equal(dataset.tensors[1], tensors().tensors[1])


def test_only_the_samples_asked_for_are_ever_opened() -> None:
    dataset = Counted()
    source = open_source(dataset, CPU)
    assert not dataset.opened
    assert list(source.batches([])) == []
    assert not dataset.opened
    list(source.batches(INDICES))
    assert dataset.opened == Counter([7, 0, 3, 9, 2, 1])


def test_batches_are_loaded_when_they_are_needed() -> None:
    dataset = Counted()
    batches = open_source(dataset, CPU).batches(INDICES)
    next(batches)
    assert dataset.opened == Counter([7, 0, 3])


def test_a_transformation_of_tensors_is_applied() -> None:
    dataset = Doubled(*tensors().tensors)
    expected = 2 * tensors().tensors[0]
    ((inputs, _),) = open_source(dataset, CPU).batches([torch.arange(10)])
    assert torch.equal(inputs, expected)
    rest, part = split(dataset, 0.3)
    for each in (rest, part):
        ((inputs, _),) = open_source(each, CPU).batches([torch.arange(length(each))])
        assert {tuple(row) for row in inputs.tolist()} < {tuple(row) for row in expected.tolist()}


@pytest.mark.parametrize("make", [tensors, Counted])
def test_reading_leaves_the_global_generators_alone(make: Callable[[], Dataset[Any]]) -> None:
    before = random.getstate(), str(np.random.get_state(legacy=False)), torch.get_rng_state().tolist()
    list(open_source(make(), CPU).batches(INDICES))
    split(make(), 0.5)
    after = random.getstate(), str(np.random.get_state(legacy=False)), torch.get_rng_state().tolist()
    assert after == before


def test_samples_that_are_no_pairs_are_refused() -> None:
    for dataset, kind in [(TensorDataset(torch.zeros(4, 2)), "list"), (TensorDataset(*[torch.zeros(4)] * 3), "list")]:
        with pytest.raises(ValueError, match=rf"^the dataset gives a {kind}.*pairs of an input and a target, or "):
            list(open_source(dataset, CPU).batches([torch.arange(2)]))
    singles: Any = [torch.zeros(2)] * 4
    with pytest.raises(
        ValueError, match=r"^the dataset gives a Tensor; it must give pairs of an input and a target, or "
    ):
        list(open_source(singles, CPU).batches([torch.arange(2)]))


def members(dataset: Dataset[Any]) -> list[int]:
    ((inputs, _),) = open_source(dataset, CPU).batches([torch.arange(length(dataset))])
    return [int(row) // 2 for row in inputs[:, 0]]


@settings(deadline=None)
@given(st.integers(2, 40), st.floats(0.05, 0.95), st.booleans())
def test_a_split_shares_all_samples_out(count: int, fraction: float, resident: bool) -> None:
    if not 0 < round(count * fraction) < count:
        return
    rest, part = split(tensors(count) if resident else Counted(count), fraction)
    assert length(part) == round(count * fraction)
    assert sorted(members(rest) + members(part)) == list(range(count))


def test_a_split_is_a_random_one_that_depends_on_its_seed_alone() -> None:
    torch.manual_seed(1)
    first = members(split(tensors(100), 0.2)[1])
    torch.manual_seed(2)
    assert members(split(Counted(100), 0.2)[1]) == first
    assert sorted(first) != list(range(20))
    assert members(split(tensors(100), 0.2, seed=1)[1]) != first


def test_a_split_opens_no_sample() -> None:
    dataset = Counted()
    split(dataset, 0.5)
    assert not dataset.opened


@pytest.mark.parametrize(("count", "fraction"), [(0, 0.5), (1, 0.5), (10, 0.01), (10, 0.99), (10, 1.0)])
def test_a_split_that_leaves_a_part_empty_is_refused(count: int, fraction: float) -> None:
    with pytest.raises(
        ValueError, match=rf"^fraction={fraction} of {count} samples leaves one part of the split empty$"
    ):
        split(tensors(count), fraction)


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^fraction=0 is not a number in \(0, 1\]$"):
        split(tensors(), 0)
    with pytest.raises(TypeError, match=r"^dataset is a Endless, which has no length; a map-style dataset is needed$"):
        split(Endless(), 0.5)


class Labelled(Counted):
    """The same with labels to look up, as torchvision's datasets have it."""

    def __init__(self, targets: Any, count: int = 3, target_transform: Any = None) -> None:
        super().__init__(count)
        self.targets, self.target_transform = targets, target_transform

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        inputs, label = super().__getitem__(index)
        return inputs, label if self.target_transform is None else self.target_transform(label)


@pytest.mark.parametrize("targets", [[4, 2, 7], torch.tensor([4, 2, 7]), np.array([4, 2, 7], np.uint8)])
def test_labels_are_looked_up_without_opening_a_sample(targets: Any) -> None:
    dataset = Labelled(targets)
    assert labels_of(dataset).tolist() == [4, 2, 7] and labels_of(dataset).dtype == torch.int64
    assert labels_of(Subset(Subset(dataset, [2, 0, 1]), [1, 0])).tolist() == [4, 7]
    assert labels_of(Subset(tensors(), [5, 2])).tolist() == [2, 2]
    assert labels_of(tensors(4)).tolist() == [0, 1, 2, 0]
    assert not dataset.opened


def test_labels_are_read_with_the_samples_where_they_cannot_be_looked_up() -> None:
    dataset = Counted(8)
    assert labels_of(Subset(dataset, [5, 4, 3])).tolist() == [2, 1, 0]
    assert dataset.opened == Counter([5, 4, 3])
    assert labels_of(Labelled([0, 1, 2], target_transform=lambda label: 2 - label)).tolist() == [2, 1, 0]
    assert labels_of(Doubled(*tensors(4).tensors)).tolist() == [0, 1, 2, 0]


def test_labels_are_never_the_datasets_own_memory() -> None:
    for dataset in (tensors(4), Labelled(torch.arange(3))):
        labels_of(dataset).zero_()
        assert labels_of(dataset).sum() > 0


def test_what_are_no_labels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the labels are float64 of shape \(3,\); a whole number for each of 3 sam"):
        labels_of(Labelled([0.5, 1.0, 2.0]))
    with pytest.raises(ValueError, match=r"^the labels are int64 of shape \(2,\); a whole number for each of 3 sam"):
        labels_of(Labelled([0, 1]))
    with pytest.raises(ValueError, match=r"^the labels go down to -1; each must be at least 0$"):
        labels_of(Labelled([0, -1, 2]))
    singles: Any = [torch.zeros(2)] * 4
    with pytest.raises(
        ValueError, match=r"^the dataset gives a Tensor; it must give pairs of an input and a target, or "
    ):
        labels_of(singles)
