"""Corrupted inputs with right labels."""

from __future__ import annotations

from dataclasses import replace

from data_select_gym.tasks.altered import why_not_tensors
from data_select_gym.tasks.data import length
from data_select_gym.tasks.regimes.inputs import chosen_share, with_noise
from data_select_gym.tasks.regimes.registry import Circumstances, register_regime
from data_select_gym.tasks.task import Task
from data_select_gym.tasks.truth import marked

# In standard deviations of the inputs.
STRENGTH = 1.0


def why_no_numbers(task: Task, given: Circumstances) -> str:
    """Why inputs cannot be corrupted; empty if they can."""
    found = why_not_tensors(task.train, task.loading)
    return f"it needs inputs that are tensors of numbers or images, and {found}" if found else ""


@register_regime("input-noise", fits="numbers, images", why_not=why_no_numbers, drawn=("0.2", "0.4"))
def input_noise(task: Task, share: float, given: Circumstances) -> Task:
    """A share p has noise as strong as the inputs vary, and right labels."""
    generator = given.generator("input-noise")
    chosen = chosen_share(length(task.train), share, generator)
    if not chosen.any():
        return task
    changed = with_noise(task, chosen, STRENGTH, generator)
    return replace(changed, truth=marked(task.truth, "corrupted", chosen))
