import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from data_select_gym.tasks import Classification, Recipe, Task, make_task
from data_select_gym.tasks.data import length
from data_select_gym.tasks.imbalance import long_tail
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.protocol import Stored


class Files(Dataset[tuple[Tensor, int]], Stored):
    """Samples whose labels are known, and none of which may be opened."""

    def __init__(self, labels: Tensor) -> None:
        self.targets = labels

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        raise AssertionError(f"sample {index} was opened")

    def rows(self, indices: Tensor) -> "Files":
        return Files(self.targets[indices])

    def relabelled(self, targets: Tensor) -> "Files":
        return Files(targets)


class Other:
    primary_metric = "loss"


def tensors(labels: Tensor) -> TensorDataset:
    return TensorDataset(torch.arange(float(len(labels))).unsqueeze(1), labels)


def small(labels: Tensor, *, objective: Any = None, **sets: Any) -> Task:
    return Task(
        name="small",
        train=sets.pop("train", tensors(labels)),
        make_model=lambda: nn.Linear(1, 10),
        objective=objective or Classification(),
        recipe=Recipe(epochs=3, batch_size=10, optimizer=torch.optim.SGD),
        **({"validation": tensors(labels)} | sets),
    )


def even(classes: int, each: int) -> Tensor:
    return torch.arange(classes * each) % classes


def sizes(dataset: Dataset[Any]) -> list[int]:
    return torch.bincount(labels_of(dataset)).tolist()


def numbers(dataset: Dataset[Any]) -> list[int]:
    assert isinstance(dataset, TensorDataset)
    return [int(number) for number in dataset.tensors[0].squeeze(1).tolist()]


def test_class_sizes_fall_exponentially() -> None:
    task = make_task(small(even(3, 100)), imbalance_factor=100)
    assert sizes(task.train) == [100, 10, 1]
    # The sizes of CIFAR-10's long tail as published: 5,000 * 100 ** (-c / 9), rounded down.
    published = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert long_tail(torch.full((10,), 5000), 100).tolist() == published
    assert long_tail(torch.full((10,), 5000), 10)[[0, 9]].tolist() == [5000, 500]


def test_the_largest_tail_that_every_class_has_enough_samples_for_is_made() -> None:
    # Class 1 allows n_max = 6 * 2, class 0 would allow 20 and class 2 would allow 40.
    assert long_tail(torch.tensor([20, 6, 10]), 4).tolist() == [12, 6, 3]


@settings(deadline=None)
@given(st.lists(st.integers(1, 500), min_size=2, max_size=20), st.floats(1, 1e6))
def test_every_class_keeps_a_sample_and_none_more_than_it_has(available: list[int], factor: float) -> None:
    kept = long_tail(torch.tensor(available), factor).tolist()
    assert all(1 <= size <= most for size, most in zip(kept, available, strict=True))
    assert kept == sorted(kept, reverse=True)
    assert kept[0] <= (kept[-1] + 1) * factor + 1


def test_only_the_training_set_is_cut_and_its_order_kept() -> None:
    labels = even(4, 25)
    given = small(labels, test=tensors(labels))
    task = make_task(given, imbalance_factor=5)
    left = numbers(task.train)
    assert left == sorted(left) and labels_of(task.train).tolist() == labels[left].tolist()
    assert task.validation is given.validation and task.test is given.test
    assert task.train_rows is not None and task.train_rows.tolist() == left
    assert sizes(given.train) == [25] * 4


def test_a_validation_set_that_is_split_off_is_not_cut() -> None:
    labels = even(4, 25)
    given = small(labels, validation=None, validation_fraction=0.2)
    task = make_task(given, imbalance_factor=5)
    assert task.validation is given.validation and length(task.validation) == 20
    assert task.train_rows is not None and task.train_rows.tolist() == numbers(task.train)
    assert set(numbers(task.train)) < set(numbers(given.train))


def test_which_samples_are_left_depends_on_its_own_seed_alone() -> None:
    given = small(even(4, 25))
    before = torch.get_rng_state()
    first = numbers(make_task(given, imbalance_factor=5).train)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(3)
    assert numbers(make_task(given, imbalance_factor=5, imbalance_seed=0).train) == first
    assert numbers(make_task(given, imbalance_factor=np.int64(5), imbalance_seed=np.int64(0)).train) == first
    other = make_task(given, imbalance_factor=5, imbalance_seed=1).train
    assert numbers(other) != first and len(numbers(other)) == len(first)
    # A larger factor leaves out more, and nothing else.
    assert set(numbers(make_task(given, imbalance_factor=25).train)) < set(first)


def test_nothing_is_opened_to_cut_files() -> None:
    task = make_task(small(even(4, 25), train=Files(even(4, 25))), imbalance_factor=5)
    assert type(task.train) is Files and sizes(task.train) == [25, 14, 8, 5]


def test_noise_comes_after_the_tail() -> None:
    given = small(even(4, 100))
    tailed, noisy = make_task(given, imbalance_factor=10), make_task(given, imbalance_factor=10, label_noise=0.5)
    assert numbers(noisy.train) == numbers(tailed.train)
    assert noisy.true_labels is not None and noisy.mislabelled is not None
    assert torch.equal(noisy.true_labels, labels_of(tailed.train))
    assert int(noisy.mislabelled.sum()) == round(length(noisy.train) / 2)
    # A task that is noisy already is cut by its true labels.
    late = make_task(make_task(given, label_noise=0.5), imbalance_factor=10)
    assert numbers(late.train) == numbers(tailed.train)
    assert late.true_labels is not None and torch.equal(late.true_labels, labels_of(tailed.train))


def test_classes_that_do_not_occur_have_no_place_in_the_tail() -> None:
    task = make_task(small(torch.tensor([2, 5, 9]).repeat(16)), imbalance_factor=16)
    assert Counter(labels_of(task.train).tolist()) == {2: 16, 5: 4, 9: 1}


def test_a_factor_of_one_is_the_very_same_task() -> None:
    task, other = small(even(3, 4)), small(even(3, 4), objective=Other())
    assert make_task(task, imbalance_factor=1, imbalance_seed=5) is task
    assert make_task(other, imbalance_factor=1.0) is other
    assert length(make_task("digits", imbalance_factor=10).train) < 1280


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"imbalance_factor": 0.5}, r"^imbalance_factor=0.5 is not a finite number of at least 1$"),
        ({"imbalance_factor": math.inf}, r"^imbalance_factor=inf is not"),
        ({"imbalance_factor": math.nan}, r"^imbalance_factor=nan is not"),
        ({"imbalance_factor": "10"}, r"^imbalance_factor='10' is not"),
        ({"imbalance_factor": 1, "imbalance_seed": -1}, r"^imbalance_seed=-1 is not a whole number of at least 0$"),
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_task(small(even(3, 4)), **options)


def test_a_tail_that_does_not_fit_the_task_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^imbalance_factor=2: the objective is a Other; .* task of Classification$"):
        make_task(small(even(3, 4), objective=Other()), imbalance_factor=2)
    with pytest.raises(ValueError, match=r"^imbalance_factor=2: the training set has only one class$"):
        make_task(small(torch.zeros(4, dtype=torch.int64)), imbalance_factor=2)
