"""Class sizes that fall exponentially."""

from __future__ import annotations

import torch

from data_select_gym.arguments import check_least
from data_select_gym.tasks.data import length
from data_select_gym.tasks.imbalance import make_imbalanced
from data_select_gym.tasks.regimes.registry import Circumstances, read_number, register_regime, why_no_classes
from data_select_gym.tasks.task import Task
from data_select_gym.tasks.truth import with_copies


def read_factor(name: str, text: str) -> float:
    """The number of at least 1 that a text stands for.

    Raises:
        ValueError: it is none.
    """
    return check_least(f"{name}: f", read_number(name, text), 1)


@register_regime(
    "long-tail",
    value="f",
    read=read_factor,
    fits="classification",
    why_not=why_no_classes,
    drawn=("5", "10", "20"),
    paper="1901.05555",
)
def long_tail(task: Task, factor: float, given: Circumstances) -> Task:
    """Class sizes fall by a factor f, as by the option `imbalance_factor`; the training set gets smaller."""
    tailed = make_imbalanced(task, imbalance_factor=factor, imbalance_seed=given.seed)
    size, left = length(task.train), length(tailed.train)
    if not given.same_size or left == size:
        return tailed
    # Each sample equally often, so that the class shares stay those of the tail.
    order = torch.randperm(left, generator=given.generator("long-tail"))
    rows = torch.cat([torch.arange(left).repeat(size // left), order[: size % left]])
    return with_copies(tailed, rows, torch.where(torch.arange(size) < left, -1, rows))
