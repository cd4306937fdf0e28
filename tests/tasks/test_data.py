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

from data_select_gym.tasks import make_loader, split
from data_select_gym.tasks.data import length, lengths_of, rows_of
from data_select_gym.tasks.protocol import Batched, Measured, Sliced, Stored

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
    batches = list(make_loader(make(), CPU).batches(INDICES))
    assert len(batches) == len(INDICES)
    for indices, (got, labels) in zip(INDICES, batches, strict=True):
        assert torch.equal(got, inputs[indices]) and got.dtype == inputs.dtype
        assert torch.equal(labels, targets[indices]) and labels.dtype == torch.int64


def test_batches_are_copies() -> None:
    dataset = tensors()
    for inputs, targets in make_loader(dataset, CPU).batches([torch.arange(10)]):
        inputs.zero_()
        targets.zero_()
    assert torch.equal(dataset.tensors[0], tensors().tensors[0])
    assert torch.equal(dataset.tensors[1], tensors().tensors[1])


def test_only_the_samples_asked_for_are_ever_opened() -> None:
    dataset = Counted()
    source = make_loader(dataset, CPU)
    assert not dataset.opened
    assert list(source.batches([])) == []
    assert not dataset.opened
    list(source.batches(INDICES))
    assert dataset.opened == Counter([7, 0, 3, 9, 2, 1])


def test_batches_are_loaded_when_they_are_needed() -> None:
    dataset = Counted()
    batches = make_loader(dataset, CPU).batches(INDICES)
    next(batches)
    assert dataset.opened == Counter([7, 0, 3])


def test_a_transformation_of_tensors_is_applied() -> None:
    dataset = Doubled(*tensors().tensors)
    expected = 2 * tensors().tensors[0]
    ((inputs, _),) = make_loader(dataset, CPU).batches([torch.arange(10)])
    assert torch.equal(inputs, expected)
    rest, part = split(dataset, 0.3)
    for each in (rest, part):
        ((inputs, _),) = make_loader(each, CPU).batches([torch.arange(length(each))])
        assert {tuple(row) for row in inputs.tolist()} < {tuple(row) for row in expected.tolist()}


@pytest.mark.parametrize("make", [tensors, Counted])
def test_reading_leaves_the_global_generators_alone(make: Callable[[], Dataset[Any]]) -> None:
    before = random.getstate(), str(np.random.get_state(legacy=False)), torch.get_rng_state().tolist()
    list(make_loader(make(), CPU).batches(INDICES))
    split(make(), 0.5)
    after = random.getstate(), str(np.random.get_state(legacy=False)), torch.get_rng_state().tolist()
    assert after == before


def test_samples_that_are_no_pairs_are_refused() -> None:
    for dataset, kind in [(TensorDataset(torch.zeros(4, 2)), "list"), (TensorDataset(*[torch.zeros(4)] * 3), "list")]:
        with pytest.raises(ValueError, match=rf"^the dataset gives a {kind}.*pairs of an input and a target, or "):
            list(make_loader(dataset, CPU).batches([torch.arange(2)]))
    singles: Any = [torch.zeros(2)] * 4
    with pytest.raises(
        ValueError, match=r"^the dataset gives a Tensor; it must give pairs of an input and a target, or "
    ):
        list(make_loader(singles, CPU).batches([torch.arange(2)]))


def members(dataset: Dataset[Any]) -> list[int]:
    ((inputs, _),) = make_loader(dataset, CPU).batches([torch.arange(length(dataset))])
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
    assert members(split(tensors(100), np.float64(0.2), seed=np.int64(0))[1]) == first  # type: ignore[arg-type]


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


class Rows(Counted):
    """Rows of a table, kept under a name that means something else here, as all others of these names."""

    def __init__(self, count: int = 10) -> None:
        super().__init__(count)
        self.rows = [str(number) for number in range(count)]
        self.lengths = torch.arange(3)
        self.relabelled = False

    def to(self, kind: str) -> None:
        raise AssertionError(f"asked for {kind}")

    def batch(self, size: int) -> list[Any]:
        raise AssertionError(f"asked for {size}")


class Told(Rows, Stored, Measured, Batched):
    """The same, of a class that says what these names mean."""

    def __init__(self, count: int = 10) -> None:
        Counted.__init__(self, count)
        self.targets, self.lengths = self.labels, torch.arange(count)

    def rows(self, indices: Tensor) -> "Told":  # type: ignore[override]
        return Told(len(indices))

    def relabelled(self, targets: Tensor) -> "Told":  # type: ignore[override]
        return self

    def to(self, device: Any) -> "Told":  # type: ignore[override]
        return self

    def batch(self, indices: Any) -> Any:
        return self.inputs[indices] + 0.5, self.labels[indices]


class Changed(Told):
    """With samples of its own, of which what it has inherited knows nothing."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        inputs, label = super().__getitem__(index)
        return inputs + 100, label


class Forwarding(Dataset[Any]):
    """A wrapper that passes on whatever it is asked for, and has samples of its own."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return length(self.dataset)

    def __getitem__(self, index: int) -> Any:
        inputs, label = self.dataset[index]
        return inputs + 100, label


def inputs_of(dataset: Dataset[Any], indices: list[int]) -> list[float]:
    ((inputs, _),) = make_loader(dataset, CPU).batches([torch.tensor(indices)])
    return [float(row) for row in inputs[:, 0]]


def test_names_that_mean_something_else_in_a_dataset_are_left_alone() -> None:
    rest, part = split(Rows(), 0.3)
    assert type(rest) is Subset and type(part) is Subset
    assert inputs_of(Rows(), [4, 1]) == [8, 2] and lengths_of(Rows()) is None


def test_a_dataset_whose_class_says_so_is_asked_for_its_parts_sizes_and_batches() -> None:
    rest, part = split(Told(), 0.3)
    assert type(rest) is Told and type(part) is Told and length(part) == 3
    assert inputs_of(Told(), [4, 1]) == [8.5, 2.5]
    lengths = lengths_of(Told())
    assert lengths is not None and lengths.tolist() == list(range(10))


def test_a_class_that_cannot_be_changed_is_registered() -> None:
    class Foreign(Counted):
        def rows(self, indices: Tensor) -> Dataset[Any]:
            return tensors(len(indices))

    assert type(rows_of(Foreign(), torch.arange(3))) is Subset
    Sliced.register(Foreign)
    assert type(rows_of(Foreign(), torch.arange(3))) is TensorDataset


@pytest.mark.parametrize("make", [Changed, lambda: Forwarding(Told())], ids=["subclass", "wrapper"])
def test_samples_that_a_subclass_or_a_wrapper_changes_are_the_ones_that_are_read(
    make: Callable[[], Dataset[Any]],
) -> None:
    assert inputs_of(make(), [4, 1]) == [108, 102]
    part = rows_of(make(), torch.tensor([4, 1]))
    assert type(part) is Subset and inputs_of(part, [0, 1]) == [108, 102]


@pytest.mark.parametrize("lengths", [torch.arange(9), torch.rand(10), torch.ones(10, 1).long(), list(range(10))])
def test_sizes_that_are_not_one_for_each_sample_are_refused(lengths: Any) -> None:
    dataset = Told()
    dataset.lengths = lengths
    with pytest.raises(ValueError, match=r"^Told.lengths is .*; a tensor with a whole number for each of 10 samples"):
        lengths_of(dataset)


def test_a_part_of_another_size_than_was_asked_for_is_refused() -> None:
    class Short(Told):
        def rows(self, indices: Tensor) -> Told:  # type: ignore[override]
            return Told(2)

        def __getitem__(self, index: int) -> Any:
            return super().__getitem__(index)

    with pytest.raises(ValueError, match=r"^Short.rows gives 2 samples for 3 indices; it must give one for each$"):
        rows_of(Short(), torch.arange(3))
