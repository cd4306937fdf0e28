"""What is known of training samples, carried along when samples are left out, repeated or replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from data_select_gym.tasks.data import length, rows_of
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.task import Task

COPY_OF, OFF_TARGET = "copy_of", "off_target"


def at_rows(task: Task, rows: Tensor) -> Task:
    """The same task with the training samples at ``rows``, int64 ``(k,)``, and what is known of them.

    A row may come more than once.
    """
    truth = {name: values[rows] for name, values in task.truth.items()}
    if COPY_OF in truth:
        truth[COPY_OF] = _moved(truth[COPY_OF], rows, length(task.train))
    return replace(
        task,
        train=rows_of(task.train, rows),
        true_labels=None if task.true_labels is None else task.true_labels[rows],
        train_rows=rows if task.train_rows is None else task.train_rows[rows],
        truth=truth,
    )


def _moved(copy_of: Tensor, rows: Tensor, size: int) -> Tensor:
    """Where the sources of copies are now; -1 for those that are gone."""
    place = torch.full((size,), -1)
    # Of several places of a row the first counts.
    place[rows.flip(0)] = torch.arange(len(rows)).flip(0)
    return torch.where(copy_of < 0, -1, place[copy_of.clamp_min(0)])


def with_copies(task: Task, rows: Tensor, copy_of: Tensor) -> Task:
    """The same task with the samples at ``rows``, some of which are copies of others.

    Args:
        task: the task.
        rows: int64 ``(n,)``, where the samples come from.
        copy_of: int64 ``(n,)``, which of the n samples each is a copy of, -1 for none.
    """
    moved = at_rows(task, rows)
    known = moved.truth.get(COPY_OF, torch.full_like(copy_of, -1))
    known = torch.where(copy_of < 0, known, copy_of)
    return replace(moved, truth=marked(moved.truth, "duplicated", copy_of >= 0) | {COPY_OF: known})


def marked(truth: Mapping[str, Tensor], name: str, flags: Tensor) -> dict[str, Tensor]:
    """The truth with the samples of which ``flags``, bool ``(n,)``, is true marked too."""
    return {**truth, name: truth[name] | flags if name in truth else flags}


def forgotten(truth: Mapping[str, Tensor], chosen: Tensor) -> dict[str, Tensor]:
    """The truth when the ``chosen`` samples, bool ``(n,)``, are replaced by others of which nothing is known."""
    known = {name: values & ~chosen for name, values in truth.items() if name != COPY_OF}
    if COPY_OF in truth:
        copy_of = truth[COPY_OF]
        gone = chosen | (copy_of.ge(0) & chosen[copy_of.clamp_min(0)])
        known[COPY_OF] = torch.where(gone, -1, copy_of)
    return known


def off_target_alone(task: Task) -> Task:
    """The same task, with off-target samples that count neither as mislabelled nor as copies.

    They have no right label that theirs could differ from. A copy of an off-target sample is off-target, and no copy.
    """
    if OFF_TARGET not in task.truth:
        return task
    off = task.truth[OFF_TARGET]
    truth = dict(task.truth)
    for name in ("mislabelled", "duplicated"):
        if name in truth:
            truth[name] = truth[name] & ~off
    if COPY_OF in truth:
        truth[COPY_OF] = truth[COPY_OF].masked_fill(off, -1)
    true = task.true_labels
    if true is not None:
        true = torch.where(off, labels_of(task.train, task.loading), true)
    return replace(task, true_labels=true, truth=truth)
