from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from data_select_gym.envs import as_base_env
from data_select_gym.tasks import Classification, Recipe, Regression, Task, make_task
from data_select_gym.tasks.data import length
from data_select_gym.tasks.labels import labels_of

LABELS = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)


def small(objective: Any = None, **sets: Any) -> Task:
    rows = torch.arange(float(len(LABELS))).unsqueeze(1)
    data = TensorDataset(rows, rows if objective else LABELS)
    return Task(
        name="small",
        train=data,
        make_model=lambda: nn.Linear(1, 3),
        objective=objective or Classification(),
        recipe=Recipe(epochs=3, batch_size=10, optimizer=torch.optim.SGD),
        **({"validation": data} | sets),
    )


def kept(task: Task) -> list[int]:
    assert isinstance(task.train, TensorDataset)
    return [int(number) for number in task.train.tensors[0].squeeze(1).tolist()]


def test_each_class_keeps_its_share() -> None:
    task = make_task(small(), samples=21)
    assert Counter(labels_of(task.train, task.loading).tolist()) == {0: 13, 1: 6, 2: 2}
    assert labels_of(task.train, task.loading).tolist() == LABELS[kept(task)].tolist()
    assert kept(task) == sorted(set(kept(task)))
    assert task.train_rows is not None and task.train_rows.tolist() == kept(task)


def test_which_they_are_goes_by_the_seed_alone() -> None:
    first = kept(make_task(small(), samples=20))
    torch.rand(7)
    assert kept(make_task(small(), samples=20, samples_seed=0)) == first
    assert kept(make_task(small(), samples=20, samples_seed=1)) != first


def test_validation_and_test_set_stay_as_they_are() -> None:
    whole = small(validation=None, validation_fraction=0.2, test=small().train)
    task = make_task(whole, samples=10)
    assert (length(task.train), length(task.validation), length(task.test)) == (10, 20, 100)  # type: ignore[arg-type]
    assert task.train_rows is not None and task.train_rows.tolist() == kept(task)
    assert set(kept(task)) <= set(kept(whole))


def test_all_samples_are_the_same_task_in_its_order() -> None:
    task = small()
    assert make_task(task, samples_seed=3) is task
    assert kept(make_task(task, samples=100)) == list(range(100))


def test_a_task_without_classes_has_samples_too() -> None:
    task = make_task(small(Regression()), samples=10)
    assert length(task.train) == len(set(kept(task))) == 10


def test_noise_and_a_long_tail_are_of_the_samples_that_are_left(tmp_path: Any) -> None:
    noisy = make_task(small(), samples=50, label_noise=0.1)
    assert noisy.mislabelled is not None and noisy.mislabelled.sum() == 5
    tailed = make_task(small(), samples=50, imbalance_factor=5)
    assert labels_of(tailed.train).bincount().tolist() == [25, 11, 5]
    path = tmp_path / "labels.txt"
    path.write_text("".join(f"{(label + 1) % 3}\n" for label in LABELS.tolist()))
    others = make_task(small(), samples=21, label_noise_file=path)
    assert others.true_labels is not None and others.mislabelled is not None
    assert Counter(others.true_labels.tolist()) == {0: 13, 1: 6, 2: 2}
    assert others.mislabelled.all()


def test_an_environment_has_as_many() -> None:
    env = as_base_env("DataSelect/Digits-v0", samples=200, epochs=3, device="cpu")
    env.reset(seed=0)
    assert length(env.task.train) == 200
    assert env.plan.pool_size <= 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 101}, r"^samples=101 is not a whole number of at least 1 and at most 100$"),
        ({"samples": 0}, r"^samples=0 is not a whole number of at least 1 and at most 100$"),
        ({"samples_seed": -1}, r"^samples_seed=-1 is not a whole number of at least 0$"),
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_task(small(), **options)


def test_an_argument_of_the_task_of_that_name_is_its_own() -> None:
    seen: list[Any] = []

    def make(samples: Tensor | int) -> Task:
        seen.append(samples)
        return small()

    assert length(make_task(make, samples=5).train) == 100
    assert seen == [5]
