"""The labels by which the class shares of a pool are kept."""

from __future__ import annotations

from torch import Tensor

from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.objectives import Classification
from data_select_gym.tasks.task import Task


def class_labels(task: Task) -> Tensor:
    """The labels by which class shares are kept, int64 ``(N,)`` on the host.

    Raises:
        TypeError: the task is not one of classification.
    """
    if not isinstance(task.objective, Classification):
        raise TypeError(
            f"balance_classes=True: the objective is a {type(task.objective).__name__}; class shares need a task of "
            "Classification"
        )
    return labels_of(task.train, task.loading)
