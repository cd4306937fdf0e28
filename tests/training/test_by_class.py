from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from data_select_gym.tasks import Classification, Task
from data_select_gym.training.evaluator import means_by_class

from .small_runs import begun, finished, small_task, tensors


def by_hand(model: nn.Module, dataset: TensorDataset) -> list[float]:
    inputs, targets = dataset.tensors
    right = model.eval()(inputs).argmax(1) == targets
    return [right[targets == number].float().mean().item() for number in range(int(targets.max()) + 1)]


def test_quality_of_each_class_is_on_the_test_set_at_the_end() -> None:
    run = finished(begun(replace(small_task(evaluation_batch_size=3), test=tensors(60, 2))))
    assert all(evaluation.by_class == () for evaluation in run.evaluations[:-1])
    assert run.evaluations[-1].by_class == pytest.approx(by_hand(run.model, tensors(60, 2)))
    assert len(run.evaluations[-1].by_class) == 3


def test_it_is_on_the_validation_set_where_there_is_no_test_set() -> None:
    run = finished(begun(replace(small_task(validation=tensors(60, 1)), test=None)))
    assert run.evaluations[-1].by_class == pytest.approx(by_hand(run.model, tensors(60, 1)))


def test_a_class_without_samples_has_none() -> None:
    assert means_by_class(torch.tensor([1.0, 0.0, 1.0]), torch.tensor([3, 1, 3])) == (None, 0.0, None, 1.0)
    assert means_by_class(torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.tensor([0, 0, 1, 0])) == (1 / 3, 0.0)


class Parity(Classification):
    """Reports even and odd labels."""

    def classes(self, targets: Tensor) -> Tensor:
        return targets % 2


class WithoutOwnMetric(Classification):
    """Its quality is not the mean of a metric."""

    primary_metric = "worst"

    def summarise(self, samples: dict[str, Tensor]) -> dict[str, float]:
        return {"worst": samples["accuracy"].min().item()}


def test_an_objective_says_what_its_classes_are() -> None:
    task = replace(small_task(), test=tensors(60, 2))
    last = finished(begun(replace(task, objective=Parity()))).evaluations[-1]
    assert len(last.by_class) == 2
    sizes = torch.bincount(tensors(60, 2).tensors[1] % 2).tolist()
    mean = sum(size * value for size, value in zip(sizes, last.by_class, strict=True) if value is not None) / 60
    assert mean == pytest.approx(last.test["accuracy"])
    assert finished(begun(replace(task, objective=WithoutOwnMetric()))).evaluations[-1].by_class == ()


def test_an_objective_without_classes_has_no_quality_by_class() -> None:
    from data_select_gym.tasks import Regression

    data = TensorDataset(torch.randn(26, 3), torch.randn(26))
    task = Task("line", data, lambda: nn.Linear(3, 1), Regression(), small_task().recipe, validation=data, test=data)
    assert finished(begun(task)).evaluations[-1].by_class == ()
