from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset, TensorDataset

from data_select_gym.tasks import LoaderConfig
from data_select_gym.tasks.labels import COMPARED, labels_of
from data_select_gym.tasks.protocol import Stored

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create", "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)


def tensors(count: int = 10) -> TensorDataset:
    return TensorDataset(torch.arange(2.0 * count).view(count, 2), torch.arange(count) % 3)


class Doubled(TensorDataset):
    """Labels of a transformation of its own."""

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        inputs, target = super().__getitem__(index)  # type: ignore[no-untyped-call]
        return inputs, 2 * target


class Samples(Dataset[tuple[Tensor, Any]]):
    """Samples that are read one by one and counted."""

    def __init__(self, labels: Any) -> None:
        self.labels, self.opened = labels, Counter[int]()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        self.opened[index] += 1
        torch.rand(1), np.random.rand(), random.random()
        return torch.zeros(1 + index), self.labels[index]


class Labelled(Samples):
    """The same with labels to look up, as torchvision's datasets have it."""

    def __init__(self, labels: Any, targets: Any, target_transform: Any = None) -> None:
        super().__init__(labels)
        self.targets, self.target_transform = targets, target_transform


class Kept(Samples, Stored):
    """The same of a class that vouches for its labels."""

    def __init__(self, labels: list[int]) -> None:
        super().__init__(labels)
        self.targets = torch.tensor(labels)

    def rows(self, indices: Tensor) -> Kept:
        return Kept(self.targets[indices].tolist())

    def relabelled(self, targets: Tensor) -> Kept:
        return Kept(targets.tolist())


FEW, MANY = [4, 2, 7], [number % 7 for number in range(200)]


def test_labels_of_a_class_that_vouches_for_them_are_looked_up_without_opening_a_sample() -> None:
    dataset = Kept(FEW)
    assert labels_of(dataset).tolist() == FEW and labels_of(dataset).dtype == torch.int64
    assert labels_of(Subset(Subset(dataset, [2, 0, 1]), [1, 0])).tolist() == [4, 7]
    assert labels_of(Subset(tensors(), [5, 2])).tolist() == [2, 2]
    assert labels_of(tensors(4)).tolist() == [0, 1, 2, 0]
    assert not dataset.opened


@pytest.mark.parametrize("kind", [list, torch.tensor, lambda labels: np.array(labels, np.uint8)])
def test_labels_that_are_merely_found_are_believed_where_those_of_a_few_samples_are_the_same(
    kind: Callable[[list[int]], Any],
) -> None:
    dataset = Labelled(MANY, kind(MANY))
    assert labels_of(dataset).tolist() == MANY and labels_of(dataset).dtype == torch.int64
    assert len(dataset.opened) == COMPARED and {0, len(MANY) - 1} < set(dataset.opened)
    few = Labelled(FEW, kind(FEW))
    assert labels_of(Subset(Subset(few, [2, 0, 1]), [1, 0])).tolist() == [4, 7]


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([6 - label for label in MANY], "have 6 for sample 0, of which the label is 0"),
        ([*MANY[:100], *MANY[101:], 0], "have 2 for sample 106, of which the label is 1"),
        (MANY[:-1], r"are int64 of shape \(199,\), and there are 200 samples"),
        ([float(label) for label in MANY], "have 0.0 for sample 0, of which the label is 0"),
        ([[0]] * 199 + [[0]], "have 0 for sample 13, of which the label is 6"),
        ([{"boxes": []}] * 200, r"have {'boxes': \[\]} for sample 0"),
        ("target", r"are <U6 of shape \(\), and there are 200 samples"),
    ],
)
def test_labels_that_do_not_fit_the_samples_are_not_used(targets: Any, message: str) -> None:
    with pytest.warns(UserWarning, match=rf"^the targets of Labelled {message}.*; they are not used, and the labels "):
        assert labels_of(Labelled(MANY, targets)).tolist() == MANY


def test_a_warning_about_targets_names_the_class_of_the_user_and_not_the_part_of_it() -> None:
    with pytest.warns(UserWarning, match=r"^the targets of Labelled have "):
        labels_of(Subset(Labelled(MANY, [9] * len(MANY)), list(range(len(MANY)))))


def test_what_is_no_list_of_labels_at_all_is_not_used() -> None:
    assert labels_of(Labelled(MANY, [[1], [2, 3]])).tolist() == MANY


@pytest.mark.parametrize("workers", [0, 2])
def test_labels_are_read_with_the_samples_where_they_cannot_be_looked_up(workers: int) -> None:
    dataset = Samples(MANY)
    assert labels_of(Subset(dataset, [5, 4, 3]), LoaderConfig(workers=workers)).tolist() == [5, 4, 3]
    assert dataset.opened == (Counter() if workers else Counter([5, 4, 3]))
    transformed = Labelled([2, 1, 0], [0, 1, 2], target_transform=lambda label: 2 - label)
    assert labels_of(transformed, LoaderConfig(workers=workers)).tolist() == [2, 1, 0]
    assert labels_of(Doubled(*tensors(4).tensors), LoaderConfig(workers=workers)).tolist() == [0, 2, 4, 0]


@pytest.mark.parametrize("workers", [0, 2])
def test_labels_are_those_of_a_collate_function(workers: int) -> None:
    table: Any = [{"text": "no" * number, "label": number % 3 + 1} for number in range(300)]
    loading = LoaderConfig(workers=workers, collate=one_less)
    expected = [number % 3 for number in range(300)]
    assert labels_of(table, loading).tolist() == expected
    assert labels_of(Subset(table, [5, 4, 3]), loading).tolist() == expected[3:6][::-1]

    class Table(Labelled):
        def __getitem__(self, index: int) -> Any:
            return table[index]

    found = Table(table, [row["label"] for row in table])

    with pytest.warns(UserWarning, match=r"^the targets of Table have 1 for sample 0, of which the label is 0; they"):
        assert labels_of(found, loading).tolist() == expected


def one_less(samples: list[Any]) -> tuple[list[str], Tensor]:
    return [sample["text"] for sample in samples], torch.tensor([[sample["label"] - 1] for sample in samples])


@pytest.mark.parametrize("kind", [torch.int32, torch.uint8])
def test_labels_may_be_whole_numbers_of_any_type_and_in_a_column(kind: torch.dtype) -> None:
    column = torch.tensor([[4], [2], [7]], dtype=kind)
    for dataset in (TensorDataset(torch.zeros(3, 1), column), Samples(column), Samples(column[:, 0])):
        assert labels_of(dataset).tolist() == FEW and labels_of(dataset).dtype == torch.int64


def test_reading_labels_leaves_the_global_generators_alone() -> None:
    before = random.getstate(), str(np.random.get_state(legacy=False)), torch.get_rng_state().tolist()
    labels_of(Samples(FEW)), labels_of(Labelled(FEW, FEW))
    after = random.getstate(), str(np.random.get_state(legacy=False)), torch.get_rng_state().tolist()
    assert after == before


def test_labels_are_never_the_datasets_own_memory() -> None:
    for dataset in (tensors(4), Kept(FEW), Labelled(FEW, torch.tensor(FEW))):
        labels_of(dataset).zero_()
        assert labels_of(dataset).sum() > 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.5, 1.0, 2.0], r"the labels are float64 of shape \(3,\); a whole number for each of 3 samples"),
        (["cat", "dog", "cat"], r"the labels are <U3 of shape \(3,\); a whole number"),
        ([torch.zeros(2)] * 3, r"the labels are .* of shape \(3.*\); a whole number"),
        ([None] * 3, r"the labels are object of shape \(3,\); a whole number"),
        ([[1], [2, 3], []], r"the labels are object of shape \(3,\); a whole number"),
        ([0, -1, 2], "the labels go down to -1; each must be at least 0"),
    ],
)
def test_what_are_no_labels_is_refused(labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^{message}"):
        labels_of(Samples(labels))


def test_labels_of_a_class_that_vouches_for_them_are_checked_too() -> None:
    dataset = Kept(FEW)
    dataset.targets = torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"^the labels are int64 of shape \(2,\); a whole number for each of 3"):
        labels_of(dataset)
    singles: Any = [torch.zeros(2)] * 4
    with pytest.raises(
        ValueError, match=r"^the dataset gives a Tensor; it must give pairs of an input and a target, or "
    ):
        labels_of(singles)
