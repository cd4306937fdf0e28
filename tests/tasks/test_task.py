import copy
import math
import random
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from data_select_gym.tasks import Classification, LoaderConfig, OneCycle, Recipe, Task, WarmupDecay, make_task
from data_select_gym.tasks.recipe import constant

RECIPE = Recipe(epochs=4, batch_size=4, optimizer=torch.optim.SGD)


def tensors(count: int = 20) -> TensorDataset:
    return TensorDataset(torch.arange(float(count)).unsqueeze(1), torch.arange(count) % 2)


def small_task(*, size: int = 20, epochs: int = 4, **sets: Any) -> Task:
    recipe = Recipe(epochs=epochs, batch_size=4, optimizer=torch.optim.SGD)
    return Task("small", tensors(size), lambda: nn.Linear(1, 2), Classification(), recipe, **sets)


def takes_anything(**options: Any) -> Task:
    return small_task(**options)


def makes_none() -> None:
    """Returns no task."""


def rows(dataset: Dataset[Any] | None) -> list[float]:
    assert isinstance(dataset, TensorDataset)
    return [value.item() for value in dataset.tensors[0]]


class Older:
    """Names its metric as in version 0.1, and derives from nothing."""

    quality = "loss"

    def __init__(self) -> None:
        self.within = Classification()
        self.embedding_dim, self.metrics = self.within.embedding_dim, self.within.metrics

    def __call__(self, *given: Any, **options: Any) -> Any:
        return self.within(*given, **options)


def test_an_objective_may_name_its_metric_as_in_version_0_1() -> None:
    older: Any = Older()
    with pytest.warns(DeprecationWarning, match=r"^Older.quality is called Older.primary_metric now") as caught:
        task = Task("small", tensors(20), lambda: nn.Linear(1, 2), older, RECIPE)
    assert (task.objective.primary_metric, caught[0].filename) == ("loss", __file__)
    Task("small", tensors(20), lambda: nn.Linear(1, 2), task.objective, RECIPE)  # warns once


def test_validation_is_split_off_the_training_set_where_none_is_given() -> None:
    task = small_task(validation_fraction=0.25)
    assert len(rows(task.train)) == 15 and len(rows(task.validation)) == 5
    assert sorted(rows(task.train) + rows(task.validation)) == list(range(20))
    assert task.test is None


def test_the_split_is_the_same_whatever_the_seed() -> None:
    torch.manual_seed(1)
    first = small_task()
    torch.manual_seed(2)
    second = small_task()
    assert rows(first.validation) == rows(second.validation)
    assert rows(first.train) == rows(second.train)


def test_a_given_validation_set_leaves_the_training_set_whole() -> None:
    validation = tensors(3)
    task = small_task(validation=validation)
    assert task.validation is validation
    assert rows(task.train) == list(range(20))


def test_only_the_tensors_of_a_dataset_are_split_and_any_other_is_indexed() -> None:
    recipe = Recipe(epochs=1, batch_size=4, optimizer=torch.optim.SGD)
    task = Task("small", Subset(tensors(), range(10)), lambda: nn.Linear(1, 2), Classification(), recipe)
    assert isinstance(task.train, Subset) and isinstance(task.validation, Subset)
    assert len(task.train) == 9 and len(task.validation) == 1


def test_sets_that_are_empty_or_have_no_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^validation is empty; at least one sample is needed$"):
        small_task(validation=tensors(0))
    with pytest.raises(ValueError, match=r"^test is empty; at least one sample is needed$"):
        small_task(test=tensors(0))
    with pytest.raises(ValueError, match=r"^train is empty; at least one sample is needed$"):
        small_task(size=0, validation=tensors())
    with pytest.raises(ValueError, match=r"leaves one part of the split empty"):
        small_task(size=1)
    with pytest.raises(TypeError, match=r"^test is a Dataset, which has no length; a map-style dataset is needed$"):
        small_task(test=Dataset())


class Stream(IterableDataset[Any]):
    """Samples in an order of their own, of which the number is known."""

    def __len__(self) -> int:
        return 20

    def __iter__(self) -> Iterator[Any]:
        return iter([(torch.zeros(1), 0)] * 20)


PAIRS: list[Any] = [(torch.zeros(1), index % 2) for index in range(20)]


def with_set(name: str, data: Any) -> Task:
    sets = {"train": tensors(), "validation": tensors()} | {name: data}
    return Task("small", make_model=lambda: nn.Linear(1, 2), objective=Classification(), recipe=RECIPE, **sets)


@pytest.mark.parametrize("name", ["train", "validation", "test"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Stream(), "is a Stream, an IterableDataset, which cannot give a sample by its number; a map-style"),
        (DataLoader(tensors()), r"is a DataLoader; a map-style dataset is needed, such as .* \(loader.dataset\)"),
        (tensors().tensors, r"is a tuple of two arrays; a map-style dataset is needed, such as TensorDataset\(\*"),
        ([tensor.numpy() for tensor in tensors().tensors], "is a list of two arrays; a map-style dataset is needed"),
        ("data/train", "is a str; a map-style dataset is needed"),
        (set(range(20)), "is a set; a map-style dataset is needed, which gives a pair of an input and a target for"),
    ],
)
def test_what_is_no_map_style_dataset_is_told_when_the_task_is_made(name: str, data: Any, message: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name} {message}"):
        with_set(name, data)


def by_key(samples: list[Any]) -> Any:
    return [sample["x"] for sample in samples], [sample["y"] for sample in samples]


@pytest.mark.parametrize("name", ["train", "validation", "test"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tensors().tensors[0], "the dataset gives a Tensor; it must give pairs of an input and a target, or have"),
        ([{"x": 1, "y": 0}] * 20, "the dataset gives a dict; it must give pairs"),
        ({"x": [1.0] * 2, "y": [0] * 2}, r"reading its first samples ends in KeyError\(\d\); a .* of 2 samples must "),
        ([(torch.zeros(1), "cat")] * 20, r"targets are a (tuple|list), .*'cat', 'cat'.*; .* number the classes from 0"),
        (
            [(torch.zeros(1), 0.5)] * 20,
            r"targets are torch.float64 of shape \(2,\); classification needs whole",
        ),
        (
            [(torch.zeros(1), torch.eye(3)[0])] * 20,
            r"targets are torch.float32 of shape \(2, 3\); classification",
        ),
    ],
)
def test_samples_of_the_wrong_kind_are_told_when_the_task_is_made(name: str, data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: {message}"):
        with_set(name, data)


def nested(sample: Any) -> Any:
    return {"x": torch.zeros(1), "more": [torch.zeros(1), sample]}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (
            None,
            "the dataset gives a NoneType; it must give pairs of an input and a target, or have a batch made a pair",
        ),
        ((None, 0), "the input of a sample is None; PyTorch makes batches of tensors, arrays, numbers and texts, and "),
        ((torch.zeros(1), None), "the target of a sample is None; PyTorch makes batches of tensors, arrays, numbers"),
        ((nested(None), 0), r"the input of a sample has None in it \(at \['more'\]\[1\]\); PyTorch makes batches of"),
        ((nested(object()), 0), r"PyTorch cannot make a batch of its first samples: .* found <class 'object'>; give "),
        (([0.5, 2], 0), r"the input of a sample is a list of numbers, \[0.5, 2\], .* \(torch.tensor\(input\)\)"),
        (([[1, 2], [3, 4]], 0), r"the input of a sample is a list of numbers, \[\[1, 2\], \[3, 4\]\], of which"),
    ],
)
def test_items_that_make_no_batch_are_told_when_the_task_is_made(sample: Any, message: str, workers: int) -> None:
    with pytest.raises(ValueError, match=rf"^train: {message}"):
        Task("small", [sample] * 20, **rest(), loading=LoaderConfig(workers=workers))  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, 1])
def test_samples_that_do_not_fit_together_are_told_when_the_task_is_made(workers: int) -> None:
    ragged: Any = [(torch.zeros(1 + number), 0) for number in range(20)]
    sets: dict[str, Any] = {"validation": ragged, "train": ragged}
    message = r"^train: PyTorch cannot make a batch of its first samples: stack expects each tensor to be equal size.*"
    with pytest.raises(ValueError, match=message + r"; give tensors of one shape, or LoaderConfig\(collate=\.\.\.\)$"):
        Task("small", **sets, **rest(), loading=LoaderConfig(workers=workers))


def rest() -> dict[str, Any]:
    return {"make_model": lambda: nn.Linear(1, 2), "objective": Classification(), "recipe": RECIPE}


def dropping(samples: list[Any]) -> Any:
    kept = [sample for sample in samples if sample is not None]
    return torch.stack([inputs for inputs, _ in kept]), torch.tensor([label for _, label in kept])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_collate_function_that_drops_samples_is_told_when_the_task_is_made(workers: int) -> None:
    broken: Any = [None if number == 7 else (torch.zeros(1), 0) for number in range(20)]
    message = (
        r"^train: collate=.*dropping.* returned 15 targets for 16 samples; one for each is needed, so leave broken"
    )
    with pytest.raises(ValueError, match=message) as caught:
        Task("small", broken, validation=tensors(), **rest(), loading=LoaderConfig(workers=workers, collate=dropping))
    assert "Traceback" not in str(caught.value)


def labelled(*labels: int) -> TensorDataset:
    return TensorDataset(torch.zeros(len(labels), 1), torch.tensor(labels))


def test_labels_that_do_not_start_from_0_are_told_when_the_task_is_made() -> None:
    ten = list(range(1, 11))
    message = r"^the labels of train and validation go from 1 to 10 and none is 0; classes are numbered from 0, so a "
    with pytest.warns(UserWarning, match=message + "model of 10 outputs needs labels from 0 to 9"):
        Task("small", labelled(*ten), validation=labelled(3), **rest())
    with pytest.raises(ValueError, match=r"^train: the labels go down to -1; classes are numbered from 0"):
        Task("small", labelled(0, 3, -1), validation=labelled(0), **rest())
    # One that no training sample has may be among the others.
    Task("small", labelled(*ten), validation=labelled(0, 1), **rest())


def test_samples_of_any_kind_are_taken_where_a_collate_function_or_an_objective_knows_them() -> None:
    class Soft(Classification):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("not called")

    rest: dict[str, Any] = {"make_model": lambda: nn.Linear(1, 2), "recipe": RECIPE, "objective": Soft()}
    table: Any = [{"x": 1, "y": 0}] * 20
    assert Task("small", table, loading=LoaderConfig(collate=by_key), **rest).test is None
    soft: Any = [(torch.zeros(1), torch.eye(3)[0])] * 20
    assert Task("small", soft, **rest).test is None


def test_making_a_task_leaves_the_global_generators_alone() -> None:
    class Drawn(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            return torch.rand(1) + random.random(), 0

    before = random.getstate(), torch.get_rng_state().tolist()
    with_set("train", Drawn(PAIRS))
    assert (random.getstate(), torch.get_rng_state().tolist()) == before


@pytest.mark.parametrize("fraction", [0, 1.5, math.nan])
def test_the_share_to_split_off_is_checked(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"^validation_fraction=.* is not a number in \(0, 1\]$"):
        small_task(validation_fraction=fraction)


def test_a_deep_copy_of_a_task_is_itself() -> None:
    task = small_task()
    assert copy.deepcopy(task) is task
    assert copy.deepcopy({"task": task})["task"] is task


def test_a_task_is_made_from_a_name_with_its_options() -> None:
    task = make_task("digits", epochs=7)
    assert task.name == "Digits" and task.recipe.epochs == 7


def test_a_task_is_made_from_a_function_and_from_a_task() -> None:
    task = make_task(small_task, epochs=9, validation=tensors(2))
    assert task.recipe.epochs == 9
    assert make_task(task) is task
    assert make_task(takes_anything, size=10, epochs=2).recipe.epochs == 2


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    module = types.ModuleType("a_users_module")
    module.small_task, module.number = small_task, 3  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def test_a_task_is_made_from_a_path(module: types.ModuleType) -> None:
    assert make_task("a_users_module:small_task", epochs=5).recipe.epochs == 5
    with pytest.raises(ValueError, match=r"^task='a_users_module:number' is a int; a function that returns a Task"):
        make_task("a_users_module:number")
    with pytest.raises(ValueError, match=r"^task='a_users_module:other' cannot be imported: .*other"):
        make_task("a_users_module:other")


@pytest.mark.parametrize("path", ["no_such_module:make", ".relative:make", "a b:make"])
def test_a_path_that_cannot_be_imported_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=rf"^task='{path}' cannot be imported: "):
        make_task(path)


@pytest.mark.parametrize("path", [":make", "module:", ":"])
def test_a_path_needs_a_module_and_a_function(path: str) -> None:
    with pytest.raises(ValueError, match=rf"^task='{path}' is not of the form 'module:object'$"):
        make_task(path)


def test_unknown_tasks_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"^task='digit' is not known; known are: digits, cifar10.*module:function"):
        make_task("digit")
    with pytest.raises(TypeError, match=r"^task=3 is not a name, a path, a function or a Task$"):
        make_task(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"returned a NoneType; a Task is needed$"):
        make_task(makes_none)  # type: ignore[arg-type]


def test_unknown_options_are_refused_with_the_known_ones() -> None:
    with pytest.raises(
        TypeError,
        match=r"^got an unexpected keyword argument 'epoch'; this task takes: epochs, batch_size, loss, and as any "
        r"task: samples, samples_seed, and if it is one of classification: label_noise, .*; did you mean 'epochs'\?$",
    ):
        make_task("digits", epoch=3)
    with pytest.raises(
        TypeError, match=r"^got an unexpected keyword argument 'size', 'seed'; this task takes: none, and"
    ):
        make_task(makes_none, size=3, seed=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^got an unexpected keyword argument 'epochs'; a task that is already built"):
        make_task(small_task(), epochs=3)


def test_wrong_labels_are_told_by_the_true_ones() -> None:
    task = small_task(validation=tensors(2), size=4, true_labels=torch.tensor([0, 0, 0, 1]))
    assert task.mislabelled is not None
    assert task.mislabelled.tolist() == [False, True, False, False]
    with pytest.raises(ValueError, match=r"^true_labels has shape \(20,\); one for each of the 18 training samples"):
        _ = small_task(true_labels=torch.zeros(20, dtype=torch.int64)).mislabelled


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"epochs": 1.5}, {"batch_size": 0}, {"precision": "float16"}])
def test_a_recipe_is_checked(wrong: dict[str, Any]) -> None:
    name, value = next(iter(wrong.items()))
    allowed = "known; known are: float32, bfloat16" if name == "precision" else "a whole number of at least 1"
    settings: dict[str, Any] = {"epochs": 1, "batch_size": 1, "optimizer": torch.optim.SGD} | wrong
    with pytest.raises(ValueError, match=rf"^{name}={value!r} is not {allowed}"):
        Recipe(**settings)


def test_warmup_and_decay_by_hand() -> None:
    schedule = WarmupDecay(0.2)
    # Up to the fifth in a line, and down to nothing over the other four fifths: (1 - 0.6) / 0.8.
    assert [schedule(progress) for progress in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert WarmupDecay(0)(0) == 1 and constant(0.3) == 1


@pytest.mark.parametrize("schedule", [OneCycle(), OneCycle(warm=0.5, div=10, final_div=100)])
def test_one_cycle_is_that_of_torch(schedule: OneCycle) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    steps = 41
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=0.1,
        # They place the top at the step warm * steps - 1 and the end at steps - 1.
        total_steps=steps,
        pct_start=(schedule.warm * (steps - 1) + 1) / steps,
        div_factor=schedule.div,
        final_div_factor=schedule.final_div,
    )
    for step in range(steps):
        assert 0.1 * schedule(step / (steps - 1)) == pytest.approx(theirs.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        if step < steps - 1:
            theirs.step()
