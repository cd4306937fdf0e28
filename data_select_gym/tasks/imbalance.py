"""Long tails: cuts the classes of a training set to exponentially falling sizes (arXiv 1901.05555)."""

from __future__ import annotations

import torch
from torch import Tensor

from data_select_gym.arguments import check_count, is_number
from data_select_gym.selection import number_classes, places_in_class
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.objectives import Classification
from data_select_gym.tasks.task import Task
from data_select_gym.tasks.truth import at_rows


def make_imbalanced(task: Task, *, imbalance_factor: float = 1.0, imbalance_seed: int = 0) -> Task:
    """The same task with a long-tailed training set; the task itself if ``imbalance_factor`` is 1.

    Of C classes, in the order of their labels, class c keeps ``n_max * imbalance_factor ** (-c / (C - 1))`` samples,
    rounded down and at least 1. n_max is the largest number for which every class has enough samples: the size of a
    class if all have the same. Validation and test set stay unchanged. If it is known which labels are wrong, the
    classes are those of the true labels.

    Args:
        task: a classification task.
        imbalance_factor: how many times as large the first class is as the last, at least 1.
        imbalance_seed: draws which samples are kept; it is independent of the seed of a run.

    Raises:
        ValueError: an argument is out of its range, or the training set has only one class.
        TypeError: it is not a classification task.
    """
    if not is_number(imbalance_factor) or imbalance_factor < 1:
        raise ValueError(f"imbalance_factor={imbalance_factor!r} is not a finite number of at least 1")
    imbalance_seed = check_count("imbalance_seed", imbalance_seed, least=0)
    if imbalance_factor == 1:
        return task
    if not isinstance(task.objective, Classification):
        raise TypeError(
            f"imbalance_factor={imbalance_factor!r}: the objective is a {type(task.objective).__name__}; "
            "class sizes need a task of Classification"
        )
    labels = labels_of(task.train, task.loading) if task.true_labels is None else task.true_labels
    classes = number_classes(labels)
    available = torch.bincount(classes)
    if len(available) < 2:
        raise ValueError(f"imbalance_factor={imbalance_factor!r}: the training set has only one class")
    scores = torch.rand(len(labels), generator=torch.Generator().manual_seed(imbalance_seed), dtype=torch.float32)
    kept = places_in_class(scores, classes) < long_tail(available, float(imbalance_factor))[classes]
    rows = kept.nonzero().squeeze(1)
    return at_rows(task, rows)


def long_tail(available: Tensor, factor: float) -> Tensor:
    """The sizes that classes keep, int64 ``(C,)``, given those ``available``, int64 ``(C,)`` with C at least 2."""
    shares = factor ** -torch.linspace(0, 1, len(available), dtype=torch.float64)
    exact = (available / shares).min() * shares
    # Rounded first: in floating point 1 / 100 * 5,000 may be slightly below 50.
    return exact.round(decimals=6).floor().long().clamp_min(1)
