"""Evaluation of a run's model."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from data_select_gym.tasks import make_loader
from data_select_gym.tasks.data import length, lengths_of
from data_select_gym.tasks.objectives import has_classes, summarises
from data_select_gym.training.returned import sample_metrics

if TYPE_CHECKING:
    from data_select_gym.training.run import TrainingRun


@dataclass(frozen=True)
class Evaluation:
    """Metrics at one moment of a run.

    Attributes:
        epoch: epochs shown, which is not whole where a shortened run ends within one.
        progress: share of the run that was over, in [0, 1].
        cost: of the run so far.
        validation: metrics on the validation set, by name.
        test: metrics on the test set, if there is one, and the task's final metrics, by name; only at the end of a run.
        by_class: quality of each class on the test set, or the validation set if there is none; None for a class of
            which that has no sample. Only at the end of a run, and empty where the objective has no classes.
    """

    epoch: float
    progress: float
    cost: float
    validation: dict[str, float]
    test: dict[str, float]
    by_class: tuple[float | None, ...] = ()

    def metrics(self) -> dict[str, float]:
        """All metrics, by name with ``val_`` or ``test_`` before it."""
        validation = {f"val_{name}": value for name, value in self.validation.items()}
        return validation | {f"test_{name}": value for name, value in self.test.items()}


def evaluate(run: TrainingRun) -> Evaluation:
    """Evaluate a run's model on the validation set, and on the test set if the run is over."""
    task = run.task
    validation, by_class = measure(run, task.validation)
    test: dict[str, float] = {}
    if run.done and task.test is not None:
        test, by_class = measure(run, task.test)
    if run.done and task.final_metrics is not None:
        run.model.eval()
        with torch.no_grad(), run.trainer.autocast():
            test |= numbers("final_metrics", task.final_metrics(run.model))
    return Evaluation(
        epoch=run.pool_number / run.plan.pools_per_epoch,
        progress=run.progress,
        cost=run.cost,
        validation=validation,
        test=test,
        by_class=by_class,
    )


@torch.no_grad()
def measure(run: TrainingRun, dataset: Dataset[Any]) -> tuple[dict[str, float], tuple[float | None, ...]]:
    """The objective's metrics over a dataset and, at the end of a run, the quality of each class.

    The model is in evaluation mode.

    Raises:
        TypeError: the objective gives something else than tensors.
        ValueError: or not a value for each sample.
    """
    run.model.eval()
    objective, lengths = run.task.objective, lengths_of(dataset)
    order = torch.arange(length(dataset)) if lengths is None else lengths.argsort(stable=True)
    rows = list(torch.split(order, run.task.recipe.evaluation_batch_size))
    parts, classes = [], []
    seed = run.evaluation_seed + run.pool_number
    with closing(make_loader(dataset, run.device, run.task.loading, seed=seed)) as source, run.trainer.autocast():
        for chosen, (inputs, targets) in zip(rows, source.batches(rows), strict=True):
            parts.append(sample_metrics(objective, objective.metrics(run.model, inputs, targets), len(chosen)))
            if run.done and has_classes(objective):
                classes.append(objective.classes(targets))
    samples = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    known = classes and objective.primary_metric in samples
    by_class = means_by_class(samples[objective.primary_metric], torch.cat(classes)) if known else ()
    if summarises(objective):
        return numbers("summarise", objective.summarise(samples)), by_class
    return {name: values.mean().item() for name, values in samples.items()}, by_class


def numbers(name: str, metrics: Any) -> dict[str, float]:
    """What the function ``name`` has given, as plain floats, which a checkpoint can hold.

    Raises:
        TypeError: it is no dict, or has a value that is no single number.
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
