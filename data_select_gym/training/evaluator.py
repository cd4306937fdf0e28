"""Evaluation of a run's model: metrics on the validation set and, at the end, on the test set."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from data_select_gym.tasks import Task, make_loader
from data_select_gym.tasks.data import length, lengths_of
from data_select_gym.tasks.objectives import has_classes, summarises
from data_select_gym.training.device import autocast
from data_select_gym.training.plan import Plan
from data_select_gym.training.returned_checks import sample_metrics


@dataclass(frozen=True)
class Evaluation:
    """Metrics at one moment of a run.

    Attributes:
        epoch: epochs shown; a fraction if a shortened run ends within one.
        progress: share of the run that was done, in [0, 1].
        cost: of the run so far.
        validation: metrics on the validation set, by name.
        test: metrics on the test set, if there is one, and the task's final metrics, by name; only at the end of a run.
        by_class: quality of each class on the test set, or the validation set if there is none; None for a class
            without samples there. Only at the end of a run, and empty if the objective has no classes.
    """

    epoch: float
    progress: float
    cost: float
    validation: dict[str, float]
    test: dict[str, float]
    by_class: tuple[float | None, ...] = ()

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Evaluation:
        """Rebuild an evaluation from its fields in a checkpoint.

        Raises:
            TypeError: a metric is not a float.
        """
        evaluation = cls(**state)
        figures = [evaluation.epoch, evaluation.progress, evaluation.cost]
        for value in [*figures, *evaluation.validation.values(), *evaluation.test.values()]:
            # A whole number may be too large for NumPy.
            if not isinstance(value, float):
                raise TypeError(f"a metric is a {type(value).__name__}; a float is needed")
        return evaluation

    def metrics(self) -> dict[str, float]:
        """All metrics, by name with ``val_`` or ``test_`` before it."""
        validation = {f"val_{name}": value for name, value in self.validation.items()}
        return validation | {f"test_{name}": value for name, value in self.test.items()}


class Evaluator:
    """Measures a run's model on the validation set, and at the end of the run on the test set."""

    def __init__(self, model: nn.Module, task: Task, plan: Plan, device: torch.device, *, seed: int) -> None:
        """Measure nothing yet; datasets in worker processes draw from ``seed``."""
        self.model = model
        self.task = task
        self.plan = plan
        self.device = device
        self.seed = seed

    def evaluate(self, pool_number: int, cost: float) -> Evaluation:
        """Evaluate the model.

        Args:
            pool_number: how many pools the model was trained on. After all of the plan's pools, the run is over.
            cost: of the run so far.

        Raises:
            TypeError: the objective or the task's final metrics return a value of the wrong type.
            ValueError: the objective does not return one value a sample.
        """
        task, final = self.task, pool_number >= self.plan.total_pools
        validation, by_class = self._measure(task.validation, pool_number, final=final)
        test: dict[str, float] = {}
        if final and task.test is not None:
            test, by_class = self._measure(task.test, pool_number, final=final)
        if final and task.final_metrics is not None:
            self.model.eval()
            with torch.no_grad(), autocast(task.recipe, self.device):
                test |= numbers("final_metrics", task.final_metrics(self.model))
        return Evaluation(
            epoch=pool_number / self.plan.pools_per_epoch,
            progress=pool_number / self.plan.total_pools,
            cost=cost,
            validation=validation,
            test=test,
            by_class=by_class,
        )

    @torch.no_grad()
    def _measure(
        self, dataset: Dataset[Any], pool_number: int, *, final: bool
    ) -> tuple[dict[str, float], tuple[float | None, ...]]:
        """The objective's metrics over a dataset, and in the ``final`` evaluation the quality of each class."""
        self.model.eval()
        objective, recipe, lengths = self.task.objective, self.task.recipe, lengths_of(dataset)
        order = torch.arange(length(dataset)) if lengths is None else lengths.argsort(stable=True)
        rows = list(torch.split(order, recipe.evaluation_batch_size))
        parts, classes = [], []
        source = make_loader(dataset, self.device, self.task.loading, seed=self.seed + pool_number)
        with closing(source), autocast(recipe, self.device):
            for chosen, (inputs, targets) in zip(rows, source.batches(rows), strict=True):
                parts.append(sample_metrics(objective, objective.metrics(self.model, inputs, targets), len(chosen)))
                if final and has_classes(objective):
                    classes.append(objective.classes(targets))
        samples = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        known = classes and objective.primary_metric in samples
        by_class = means_by_class(samples[objective.primary_metric], torch.cat(classes)) if known else ()
        if summarises(objective):
            return numbers("summarise", objective.summarise(samples)), by_class
        return {name: values.mean().item() for name, values in samples.items()}, by_class


def numbers(name: str, metrics: Any) -> dict[str, float]:
    """What the function ``name`` returned, as plain floats, which a checkpoint can hold.

    Raises:
        TypeError: it is no dict, or a value is not a single number.
    """
    if not isinstance(metrics, dict):
        raise TypeError(f"{name} gives {metrics!r:.100}; a dict of numbers by name is needed")
    return {metric: _number(name, metric, value) for metric, value in metrics.items()}


def _number(name: str, metric: str, value: Any) -> float:
    if not isinstance(value, str | bytes):
        with suppress(TypeError, ValueError, RuntimeError, OverflowError):
            return float(value)
    raise TypeError(f"{name} gives {metric}={value!r:.100}; a single number is needed")


def means_by_class(values: Tensor, classes: Tensor) -> tuple[float | None, ...]:
    """The mean of ``values``, float ``(n,)``, of each class from 0 to the largest of ``classes``, int64 ``(n,)``.

    None for a class without samples.
    """
    values, classes = values.double().cpu(), classes.cpu()
    sizes = torch.bincount(classes)
    sums = torch.zeros(len(sizes), dtype=torch.float64).index_add_(0, classes, values)
    return tuple(total / size if size else None for total, size in zip(sums.tolist(), sizes.tolist(), strict=True))
