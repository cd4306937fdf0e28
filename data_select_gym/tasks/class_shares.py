"""The labels for keeping the class shares of a pool."""

from __future__ import annotations

from torch import Tensor

from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.objectives import Classification
from data_select_gym.tasks.task import Task


def class_labels(task: Task) -> Tensor:
    """The labels that define class shares, int64 ``(N,)`` on the host.

    Raises:
        TypeError: it is not a classification task.
    """
    if not isinstance(task.objective, Classification):
        raise TypeError(
            f"balance_classes=True: the objective is a {type(task.objective).__name__}; class shares need a task of "
            "Classification"
        )
    return labels_of(task.train, task.loading)
