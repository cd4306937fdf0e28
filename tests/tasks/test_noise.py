import math
import sys
import types
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import Dataset, Subset, TensorDataset

from data_select_gym.tasks import Classification, LoaderConfig, Recipe, Task, make_loader, make_task
from data_select_gym.tasks.class_shares import class_labels
from data_select_gym.tasks.data import length
from data_select_gym.tasks.labels import COMPARED, labels_of
from data_select_gym.training import RunConfig, TrainingRun

CLASSES = 5


class Files(Dataset[tuple[Tensor, int]]):
    """Samples that are read one by one and counted; their labels can be looked up."""

    def __init__(self, labels: Tensor) -> None:
        self.targets = labels.tolist()
        self.opened: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.opened[index] += 1
        return torch.tensor([float(index)]), self.targets[index]


class Own(Classification):
    """An objective of one's own that is one of classification."""


class Other:
    primary_metric = "loss"


def labels(count: int, shift: int = 0) -> Tensor:
    return (torch.arange(count) + shift) % CLASSES


def tensors(count: int, shift: int = 0) -> TensorDataset:
    return TensorDataset(torch.arange(float(count)).unsqueeze(1), labels(count, shift))


def small(train: Dataset[Any] | None = None, *, size: int = 100, objective: Any = None, **sets: Any) -> Task:
    return Task(
        name="small",
        train=tensors(size) if train is None else train,
        validation=sets.pop("validation", tensors(40, 1)),
        test=sets.pop("test", tensors(30, 2)),
        make_model=lambda: nn.Linear(1, CLASSES),
        objective=objective or Classification(),
        recipe=Recipe(epochs=3, batch_size=10, optimizer=torch.optim.SGD),
        **sets,
    )


def seen(dataset: Dataset[Any] | None) -> Tensor:
    """The labels that training gets to see."""
    assert dataset is not None
    ((_, targets),) = make_loader(dataset, torch.device("cpu")).batches([torch.arange(length(dataset))])
    return targets


def wrong(task: Task) -> int:
    assert task.mislabelled is not None
    return int(task.mislabelled.sum())


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.floats(0, 0.99), st.sampled_from(["symmetric", "pairs"]), st.integers(0, 2**70))
def test_exactly_the_share_of_labels_is_wrong(count: int, share: float, kind: str, seed: int) -> None:
    task = make_task(small(size=count), label_noise=share, label_noise_kind=kind, label_noise_seed=seed)
    given, true = seen(task.train), labels(count)
    assert int((given != true).sum()) == round(share * count)
    assert given.min() >= 0 and given.max() < max(2, CLASSES) and given.dtype == torch.int64
    if kind == "pairs":
        moved = given != true
        assert torch.equal(given[moved], (true[moved] + 1) % max(2, int(true.max()) + 1))


def test_true_labels_stay_on_record() -> None:
    task = make_task(small(), label_noise=0.3)
    assert task.true_labels is not None and task.mislabelled is not None
    assert torch.equal(task.true_labels, labels(100)) and task.true_labels.dtype == torch.int64
    assert torch.equal(task.mislabelled, seen(task.train) != labels(100))
    assert task.mislabelled.dtype == torch.bool and wrong(task) == 30
    assert small().true_labels is None and small().mislabelled is None


def test_symmetric_noise_is_uniform_over_the_other_classes() -> None:
    task = make_task(small(size=50_000), label_noise=0.8)
    shift = (seen(task.train) - labels(50_000)) % CLASSES
    # Four other classes, 10,000 each; six standard deviations are 6 * sqrt(40,000 * 1/4 * 3/4) = 520.
    assert torch.bincount(shift).tolist()[0] == 10_000
    assert torch.bincount(shift)[1:].tolist() == [pytest.approx(10_000, abs=520)] * 4


def test_wrong_labels_are_anywhere_in_the_set_and_in_every_class() -> None:
    task = make_task(small(size=5_000), label_noise=0.5)
    assert task.mislabelled is not None
    for part in (task.mislabelled[:2500], *(task.mislabelled[number::CLASSES] for number in range(CLASSES))):
        assert part.float().mean() == pytest.approx(0.5, abs=0.1)


def test_noise_depends_on_its_own_seed_alone() -> None:
    torch.manual_seed(1)
    first = seen(make_task(small(), label_noise=0.3).train)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(seen(make_task(small(), label_noise=0.3, label_noise_seed=0).train), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(seen(make_task(small(), label_noise=0.3, label_noise_seed=1).train), first)
    of_numpy = make_task(small(), label_noise=np.float64(0.3), label_noise_seed=np.uint8(0))
    assert torch.equal(seen(of_numpy.train), first)


def test_only_the_training_set_is_noisy_unless_it_is_asked_for() -> None:
    task = make_task(small(), label_noise=0.5)
    assert torch.equal(seen(task.validation), labels(40, 1))
    assert torch.equal(seen(task.test), labels(30, 2))
    alone = seen(task.train)
    task = make_task(small(), label_noise=0.5, noisy_sets=["test", "train", "validation"])
    assert int((seen(task.validation) != labels(40, 1)).sum()) == 20
    assert int((seen(task.test) != labels(30, 2)).sum()) == 15
    assert torch.equal(seen(task.train), alone)
    task = make_task(small(), label_noise=0.5, noisy_sets="validation")
    assert torch.equal(seen(task.train), labels(100)) and task.mislabelled is None
    assert int((seen(task.validation) != labels(40, 1)).sum()) == 20


def test_sets_that_are_the_same_data_get_noise_of_their_own() -> None:
    data = tensors(60)
    task = make_task(small(data, validation=data), label_noise=0.5, noisy_sets=("train", "validation"))
    assert not torch.equal(seen(task.train), seen(task.validation))


def test_a_validation_set_that_is_split_off_stays_clean() -> None:
    clean = small(validation=None, validation_fraction=0.2)
    task = make_task(clean, label_noise=0.5)
    assert torch.equal(seen(task.validation), seen(clean.validation))
    assert (length(task.train), wrong(task)) == (80, 40)


def test_data_that_is_kept_on_the_device_stays_so_and_the_given_data_is_not_written_to() -> None:
    data = tensors(100)
    task = make_task(small(data), label_noise=0.5)
    assert type(task.train) is TensorDataset
    assert task.train.tensors[0] is data.tensors[0]
    assert torch.equal(data.tensors[1], labels(100))


@pytest.mark.parametrize("make", [Files, lambda labels: Subset(Files(labels.repeat(2)), range(100))])
def test_any_other_data_is_noisy_in_the_same_way_and_opened_only_when_it_is_asked_for(
    make: Callable[[Tensor], Any],
) -> None:
    data = make(labels(100))
    files: Any = data.dataset if isinstance(data, Subset) else data
    task = make_task(small(data), label_noise=0.3)
    # A few are, to see what they are and whether their labels are those that can be looked up.
    assert wrong(task) == 30 and 0 < len(files.opened) <= 2 * COMPARED
    files.opened.clear()
    ((inputs, targets),) = make_loader(task.train, torch.device("cpu")).batches([torch.tensor([7, 3])])
    assert files.opened == Counter([7, 3])
    assert inputs.tolist() == [[7.0], [3.0]] and targets.dtype == torch.int64
    assert torch.equal(labels_of(task.train), seen(make_task(small(), label_noise=0.3).train))
    assert targets.tolist() == labels_of(task.train)[[7, 3]].tolist()


def test_a_run_trains_on_the_wrong_labels() -> None:
    task = make_task(small(Files(labels(100))), label_noise=0.5)
    runs = []
    for each in (task, small(TensorDataset(tensors(100).tensors[0], labels_of(task.train))), small()):
        run = TrainingRun(each, RunConfig(pool_size=50, device="cpu"), seed=0)
        run.warm_up()
        runs.append(run.ledger.columns["loss"])
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize("kind", ["symmetric", "pairs"])
def test_two_classes_are_swapped(kind: str) -> None:
    data = TensorDataset(torch.zeros(10, 1), torch.arange(10) % 2)
    task = make_task(small(data), label_noise=0.4, label_noise_kind=kind)
    assert task.mislabelled is not None
    assert torch.equal(seen(task.train), (torch.arange(10) + task.mislabelled) % 2)
    single = make_task(small(TensorDataset(torch.zeros(10, 1), torch.zeros(10, dtype=torch.int64))), label_noise=0.4)
    assert seen(single.train).sum() == 4


def test_no_noise_is_the_very_same_task() -> None:
    task, other = small(), small(objective=Other())
    assert make_task(task, label_noise=0) is task
    assert make_task(task, label_noise_kind="pairs", label_noise_seed=3) is task
    assert make_task(other, label_noise=0.0) is other


def test_the_rest_of_the_task_is_as_it_was() -> None:
    task = small()
    noisy = make_task(task, label_noise=0.2)
    for name in ("name", "make_model", "objective", "recipe", "validation", "test"):
        assert getattr(noisy, name) is getattr(task, name)
    assert make_task(small(objective=Own()), label_noise=0.2).mislabelled is not None


def test_every_task_takes_label_noise() -> None:
    module = types.ModuleType("a_users_noisy_module")
    module.make = small  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    try:
        assert wrong(make_task("a_users_noisy_module:make", size=50, label_noise=0.4)) == 20
    finally:
        del sys.modules[module.__name__]
    assert wrong(make_task("digits", epochs=3, label_noise=0.2)) == 256
    assert wrong(make_task(small, size=50, label_noise=0.4)) == 20
    assert wrong(make_task(lambda **options: small(**options), size=50, label_noise=0.4)) == 20


def test_a_function_that_has_an_option_of_that_name_gets_it() -> None:
    asked: list[float] = []

    def make(label_noise: float) -> Task:
        asked.append(label_noise)
        return small()

    assert make_task(make, label_noise=0.7, noisy_sets=("test",)).mislabelled is None
    assert asked == [0.7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_noise": 1}, r"^label_noise=1 is not a number in \[0, 1\)$"),
        ({"label_noise": -0.1}, r"^label_noise=-0.1 is not"),
        ({"label_noise": math.nan}, r"^label_noise=nan is not"),
        ({"label_noise": "much"}, r"^label_noise='much' is not"),
        ({"label_noise": True}, r"^label_noise=True is not"),
        ({"label_noise_kind": "asymmetric"}, r"^label_noise_kind='asymmetric' is not known; .* symmetric, pairs; did"),
        ({"label_noise_seed": -1}, r"^label_noise_seed=-1 is not a whole number of at least 0$"),
        ({"label_noise_seed": 0.5}, r"^label_noise_seed=0.5 is not"),
        ({"noisy_sets": ["train", "holdout"]}, r"^noisy_sets='holdout' is not known; .* train, validation, test$"),
        ({"noisy_sets": []}, r"^noisy_sets=\(\) must name at least one set and none twice$"),
        ({"noisy_sets": ["train", "train"]}, r"none twice$"),
    ],
)
def test_values_out_of_range_are_refused_also_without_noise(options: dict[str, Any], message: str) -> None:
    for share in ({"label_noise": 0.2}, {}):
        with pytest.raises(ValueError, match=message):
            make_task(small(), **(share | options))


def test_noise_that_does_not_fit_the_task_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^label_noise=0.2: the objective is a Other; .* a task of Classification$"):
        make_task(small(objective=Other()), label_noise=0.2)
    with pytest.raises(TypeError, match=r"^noisy_sets=3 is not a sequence of names$"):
        make_task(small(), label_noise=0.2, noisy_sets=3)
    with pytest.raises(ValueError, match=r"^noisy_sets names 'test', and the task has no test set$"):
        make_task(small(test=None), label_noise=0.2, noisy_sets=["test"])
    with pytest.raises(ValueError, match=r"^label_noise=0.2: the task has label noise already$"):
        make_task(make_task(small(), label_noise=0.2), label_noise=0.2)
    with pytest.raises(
        ValueError, match=r"^train: targets are torch.float32 of shape \(2,\); classification needs whole"
    ):
        make_task(small(TensorDataset(torch.zeros(4, 1), torch.zeros(4))), label_noise=0.2)


def by_key(samples: list[Any]) -> tuple[Tensor, Tensor]:
    return torch.stack([sample["x"] for sample in samples]), torch.tensor([sample["y"] for sample in samples]) - 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 1])
def test_labels_that_a_collate_function_makes_are_noisy_in_the_same_way(workers: int) -> None:
    table: Any = [{"x": torch.tensor([float(row)]), "y": row % CLASSES + 1} for row in range(100)]
    loading = LoaderConfig(workers=workers, collate=by_key)
    given = small(table, validation=table, test=None, loading=loading)
    task, expected = make_task(given, label_noise=0.3), make_task(small(), label_noise=0.3)
    assert wrong(task) == 30 and torch.equal(labels_of(task.train, loading), labels_of(expected.train))
    source = make_loader(task.train, torch.device("cpu"), loading)
    ((inputs, targets),) = source.batches([torch.tensor([7, 3, 4])])
    source.close()
    assert inputs.tolist() == [[7.0], [3.0], [4.0]]
    assert targets.tolist() == labels_of(expected.train)[[7, 3, 4]].tolist()
    assert torch.equal(labels_of(task.validation, loading), labels(100))
    tailed = make_task(task, imbalance_factor=5)
    assert tailed.true_labels is not None and torch.bincount(tailed.true_labels).tolist() == [20, 13, 8, 5, 4]
    assert torch.equal(class_labels(tailed), labels_of(tailed.train, loading))
