"""What a user's functions are given and give back."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from data_select_gym.signals import Signals
from data_select_gym.tasks import Classification, LoaderConfig
from data_select_gym.training import RunConfig, TrainingRun

from .small_runs import SAMPLES, begun, finished, perceptron, small_task, state


def groups(weights: list[nn.Parameter]) -> Optimizer:
    """Weights are gone through twice."""
    matrices, others = [w for w in weights if w.ndim > 1], [w for w in weights if w.ndim <= 1]
    return SGD([{"params": matrices, "weight_decay": 0.1}, {"params": others}], lr=0.1)


def test_an_optimizer_is_given_a_list_of_weights() -> None:
    run = begun(small_task(optimizer=groups))
    assert [len(group["params"]) for group in run.trainer.optimizer.param_groups] == [2, 2]
    sizes: list[int] = []
    begun(small_task(optimizer=lambda weights: sizes.append(len(weights)) or SGD(weights, lr=0.1)))
    assert sizes == [4]
    fresh = TrainingRun(small_task(optimizer=groups), RunConfig(device="cpu"), seed=0).model.state_dict()
    assert all(not torch.equal(fresh[name], value) for name, value in run.model.state_dict().items())


class NeedsClosure(SGD):
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        return super().step(closure)


@pytest.mark.parametrize("kind", [torch.optim.LBFGS, NeedsClosure])
def test_an_optimizer_that_needs_a_closure_is_refused_with_the_reason(kind: Any) -> None:
    message = rf"returned a {kind.__name__}, whose step\(\) needs a closure that recomputes the loss; here each "
    with pytest.raises(ValueError, match=rf"^optimizer=.* {message}"):
        TrainingRun(small_task(optimizer=lambda weights: kind(weights, lr=0.1)), RunConfig(device="cpu"), seed=0)


@pytest.mark.parametrize("value", [None, "sgd", (SGD, 0.1), SGD, 0.1])
def test_an_optimizer_that_is_none_is_refused(value: Any) -> None:
    message = rf"^optimizer=.* returned a {type(value).__name__}; a torch.optim.Optimizer is needed$"
    with pytest.raises(TypeError, match=message):
        TrainingRun(small_task(optimizer=lambda weights: value), RunConfig(device="cpu"), seed=0)


def test_an_optimizer_of_other_weights_or_without_a_learning_rate_is_refused() -> None:
    class Rateless(Optimizer):
        def __init__(self, weights: Any) -> None:
            super().__init__(weights, {"lr": None})

    with pytest.raises(ValueError, match=r"^optimizer=.* returned a SGD that has none of the model's weights; it must"):
        TrainingRun(
            small_task(optimizer=lambda _: SGD(perceptron().parameters(), lr=0.1)), RunConfig(device="cpu"), seed=0
        )
    with pytest.raises(ValueError, match=r"^optimizer=.* returned a Rateless with lr=None; a number is needed, which "):
        TrainingRun(small_task(optimizer=Rateless), RunConfig(device="cpu"), seed=0)


@pytest.mark.parametrize("value", [None, (perceptron(), 3), "resnet18", nn.Linear, perceptron().state_dict()])
def test_a_model_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^make_model=.* returned a {type(value).__name__}; an nn.Module is needed$"):
        TrainingRun(small_task(make_model=lambda: value), RunConfig(device="cpu"), seed=0)


@pytest.mark.parametrize(
    ("value", "error"),
    [(None, TypeError), ((0.1, 0.2), TypeError), ("0.1", TypeError), (float("nan"), ValueError), (-0.1, ValueError)],
)
def test_a_schedule_that_gives_no_number_is_refused(value: Any, error: type[Exception]) -> None:
    message = rf"^schedule gives {re.escape(repr(value))} for progress=0; a finite number of at least 0 is needed$"
    with pytest.raises(error, match=message):
        begun(small_task(schedule=lambda progress: value))


def test_a_schedule_may_give_numbers_of_any_kind() -> None:
    plain = state(finished(begun(small_task(schedule=lambda progress: 0.5))))
    for kind in (np.float64, torch.tensor):
        assert state(finished(begun(small_task(schedule=lambda progress, kind=kind: kind(0.5))))) == plain


@pytest.mark.parametrize("value", [None, "inputs", 3, (torch.zeros(4, 3), torch.zeros(4))])
def test_an_augmentation_that_gives_no_batch_is_refused(value: Any) -> None:
    message = rf"^augment returned a {type(value).__name__} for a Tensor of inputs; another one is needed$"
    with pytest.raises(TypeError, match=message):
        begun(small_task(augment=lambda inputs, generator: value))


def test_an_augmentation_that_gives_another_number_of_samples_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^augment returned shape \(3, 3\) for inputs of shape \(4, 3\)$"):
        begun(small_task(augment=lambda inputs, generator: inputs[:-1]))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, r"returned a NoneType; a pair of inputs and targets"),
        ("ab", r"returned a str; a pair"),
        ((1, 2, 3), r"returned a tuple of 3; a pair"),
        ({"inputs": 1, "targets": 2}, r"returned a dict; a pair"),
    ],
)
def test_a_collate_function_that_gives_no_pair_is_refused_when_the_task_is_made(returned: Any, message: str) -> None:
    data: Any = [(torch.zeros(3), 0)] * SAMPLES
    with pytest.raises(ValueError, match=rf"^train: collate=.* {message}"):
        replace(small_task(), train=data, loading=LoaderConfig(collate=lambda samples: returned))


def without_broken(samples: list[Any]) -> Any:
    whole = [(inputs, label) for inputs, label in samples if label >= 0]
    return torch.stack([inputs for inputs, _ in whole]), torch.tensor([label for _, label in whole])


@pytest.mark.parametrize("train", [True, False])
def test_a_collate_function_that_drops_samples_is_refused_wherever_it_does(train: bool) -> None:
    sound: Any = [(torch.randn(3), index % 3) for index in range(SAMPLES)]
    broken: Any = [*sound[:-1], (torch.randn(3), -1)]
    sets = {"train": broken, "validation": sound} if train else {"train": sound, "validation": broken}
    task = replace(small_task(), test=None, loading=LoaderConfig(collate=without_broken), **sets)
    message = r"returned \d+ targets for \d+ samples; one for each is needed, so leave broken samples out"
    with pytest.raises(ValueError, match=rf"^collate=.* {message}"):
        finished(begun(task))


class Own(Classification):
    """An objective of one's own, of which the outcome is given."""

    def __init__(self, change: Callable[[Any], Any]) -> None:
        super().__init__()
        self.change = change

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.change(super().__call__(*args, **kwargs))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda pair: pair[0], TypeError, r"Own returned Tensor; a tensor of losses and Signals are needed"),
        (lambda pair: None, TypeError, r"Own returned NoneType; a tensor"),
        (lambda pair: (pair[0], {}), TypeError, r"Own returned \(Tensor, dict\); a tensor"),
        (
            lambda pair: (pair[0].mean(), pair[1]),
            ValueError,
            r"Own returned losses of shape \(\) and 2 rows",
        ),
        (lambda pair: (pair[0][:, None], pair[1]), ValueError, r"Own returned losses of shape \(2, 1\) and 2 rows"),
    ],
)
def test_an_objective_that_gives_something_else_is_refused_at_once(
    change: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=rf"^{message}"):
        TrainingRun(replace(small_task(), objective=Own(change)), RunConfig(device="cpu"), seed=0)


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        (None, TypeError, r"returned None; a dict of tensors by name is needed"),
        ({"accuracy": 0.5}, TypeError, r"returned {'accuracy': 0.5}; a dict of tensors"),
        ({"accuracy": torch.ones(5)}, ValueError, r"returned accuracy of shape \(5,\); one for each of 6 samples"),
        ({"accuracy": torch.tensor(0.5)}, ValueError, r"returned accuracy of shape \(\); one for each of 6 samples"),
    ],
)
def test_metrics_that_are_not_one_for_each_sample_are_refused(
    metrics: Any, error: type[Exception], message: str
) -> None:
    class Measured(Classification):
        def metrics(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> Any:
            return metrics

    with pytest.raises(error, match=rf"^Measured.metrics {message}"):
        begun(replace(small_task(), objective=Measured()))


class Plain:
    """An objective with names that mean something else to it."""

    primary_metric = "accuracy"
    classes = ("low", "middle", "high")
    summarise = None

    def __call__(self, model: nn.Module, inputs: Tensor, targets: Tensor, *, embed: bool) -> tuple[Tensor, Signals]:
        return Classification()(model, inputs, targets, embed=embed)

    def metrics(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return Classification().metrics(model, inputs, targets)

    def embedding_dim(self, model: nn.Module) -> int:
        return 5


def test_names_that_mean_something_else_in_an_objective_are_left_alone() -> None:
    run = finished(begun(replace(small_task(), objective=Plain())))
    plain = finished(begun())
    assert run.quality == plain.quality and run.evaluations[-1].by_class == ()


def test_classes_that_are_not_one_for_each_sample_are_refused_at_once() -> None:
    class Named(Plain):
        def classes(self, targets: Tensor) -> Any:  # type: ignore[override]
            return ["low"] * len(targets)

    with pytest.raises(TypeError, match=r"^Named.classes returned \['low', 'low'\]; a tensor with a class for each"):
        TrainingRun(replace(small_task(), objective=Named()), RunConfig(device="cpu"), seed=0)
