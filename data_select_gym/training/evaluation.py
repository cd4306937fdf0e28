"""Evaluation of a run's model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset

from data_select_gym.tasks import open_source
from data_select_gym.tasks.data import length

if TYPE_CHECKING:
    from data_select_gym.training.run import TrainingRun

BATCH_SIZE = 500


@dataclass(frozen=True)
class Evaluation:
    """Metrics at one moment of a run.

    Attributes:
        epoch: epochs shown, which is not whole where a shortened run ends within one.
        progress: share of the run that was over, in [0, 1].
        cost: of the run so far.
        validation: metrics on the validation set, by name.
        test: metrics on the test set, by name; only at the end of a run, and empty where there is no test set.
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
    return Evaluation(
        epoch=run.pool_number / run.plan.pools_per_epoch,
        progress=run.progress,
        cost=run.cost,
        validation=mean_metrics(run, task.validation),
        test=mean_metrics(run, task.test) if run.done and task.test is not None else {},
    )


@torch.no_grad()
def mean_metrics(run: TrainingRun, dataset: Dataset[Any]) -> dict[str, float]:
    """Means of the objective's metrics over a dataset, the model in evaluation mode."""
    run.model.eval()
    rows = torch.split(torch.arange(length(dataset)), BATCH_SIZE)
    parts = []
    with run.trainer.autocast():
        for inputs, targets in open_source(dataset, run.device).batches(list(rows)):
            parts.append(run.task.objective.metrics(run.model, inputs, targets))
    return {name: torch.cat([part[name] for part in parts]).mean().item() for name in parts[0]}
