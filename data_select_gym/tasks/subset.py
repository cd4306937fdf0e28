"""A smaller training set, for quick first tries."""

from __future__ import annotations

import torch

from data_select_gym.arguments import check_count
from data_select_gym.selection import best_count
from data_select_gym.tasks.data import length
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.objectives import Classification
from data_select_gym.tasks.task import Task
from data_select_gym.tasks.truth import at_rows

SUBSET_OPTIONS = ("samples", "samples_seed")


def take_samples(task: Task, *, samples: int | None = None, samples_seed: int = 0) -> Task:
    """The same task with some of its training samples; the task itself if ``samples`` is None.

    They are drawn at random; in a classification task each class has its share, by largest remainder. If it is known
    which labels are wrong, the classes are those of the true labels. Validation and test set stay unchanged, so results
    compare with those of all samples.

    Args:
        task: the task.
        samples: how many training samples to use, after a validation set is split off.
        samples_seed: draws which samples these are; it is independent of the seed of a run.

    Raises:
        ValueError: an argument is out of its range.
    """
    samples_seed = check_count("samples_seed", samples_seed, least=0)
    if samples is None:
        return task
    there = length(task.train)
    samples = check_count("samples", samples, most=there)
    labels = None
    if isinstance(task.objective, Classification):
        labels = labels_of(task.train, task.loading) if task.true_labels is None else task.true_labels
    scores = torch.rand(there, generator=torch.Generator().manual_seed(samples_seed), dtype=torch.float32)
    rows = best_count(scores, samples, labels).nonzero().squeeze(1)
    return at_rows(task, rows)
