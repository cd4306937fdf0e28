"""Evaluation of a run's model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset

from data_select_gym.tasks import open_source
from data_select_gym.tasks.data import length, lengths_of
from data_select_gym.tasks.objectives import Summarises

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
    """

    epoch: float
    progress: float
    cost: float
    validation: dict[str, float]
    test: dict[str, float]

    def metrics(self) -> dict[str, float]:
        """All metrics, by name with ``val_`` or ``test_`` before it."""
        validation = {f"val_{name}": value for name, value in self.validation.items()}
        return validation | {f"test_{name}": value for name, value in self.test.items()}


def evaluate(run: TrainingRun) -> Evaluation:
    """Evaluate a run's model on the validation set, and on the test set if the run is over."""
    task = run.task
    test = mean_metrics(run, task.test) if run.done and task.test is not None else {}
    if run.done and task.final_metrics is not None:
        run.model.eval()
        with torch.no_grad(), run.trainer.autocast():
            test |= task.final_metrics(run.model)
    return Evaluation(
        epoch=run.pool_number / run.plan.pools_per_epoch,
        progress=run.progress,
        cost=run.cost,
        validation=mean_metrics(run, task.validation),
        test=test,
    )


@torch.no_grad()
def mean_metrics(run: TrainingRun, dataset: Dataset[Any]) -> dict[str, float]:
    """The objective's metrics over a dataset, the model in evaluation mode."""
    run.model.eval()
    objective, lengths = run.task.objective, lengths_of(dataset)
    order = torch.arange(length(dataset)) if lengths is None else lengths.argsort(stable=True)
    rows = list(torch.split(order, run.task.recipe.evaluation_batch_size))
    parts = []
    with run.trainer.autocast():
        for inputs, targets in open_source(dataset, run.device, run.task.loading).batches(rows):
            parts.append(objective.metrics(run.model, inputs, targets))
    samples = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    if isinstance(objective, Summarises):
        return objective.summarise(samples)
    return {name: values.mean().item() for name, values in samples.items()}
