"""Near-copies of a few samples."""

from __future__ import annotations

import torch

from data_select_gym.tasks.altered import why_not_tensors
from data_select_gym.tasks.data import length
from data_select_gym.tasks.regimes.inputs import with_noise
from data_select_gym.tasks.regimes.registry import Circumstances, register_regime
from data_select_gym.tasks.task import Task
from data_select_gym.tasks.truth import with_copies

# The share of the training set that is copied, and the noise in standard deviations of the inputs.
COPIED, STRENGTH = 0.05, 0.05


@register_regime("duplicates", drawn=("0.5", "0.7"))
def duplicates(task: Task, share: float, given: Circumstances) -> Task:
    """A share p of the set is copies of 5% of the samples, with a little noise if inputs are numbers or images."""
    size = length(task.train)
    count = round(share * size)
    if not count:
        return task
    if count == size:
        raise ValueError(f"duplicates:{share!r} of {size} samples leaves none to copy")
    generator = given.generator("duplicates")
    copies, others = torch.split(torch.randperm(size, generator=generator), [count, size - count])
    sources = others[: max(1, round(COPIED * size))]
    rows, copy_of = torch.arange(size), torch.full((size,), -1)
    copy_of[copies] = rows[copies] = sources[torch.randint(len(sources), (count,), generator=generator)]
    changed = with_copies(task, rows, copy_of)
    if why_not_tensors(task.train, task.loading):
        return changed
    return with_noise(changed, copy_of >= 0, STRENGTH, generator)
