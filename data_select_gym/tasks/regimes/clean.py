"""The training set as it is."""

from __future__ import annotations

from data_select_gym.tasks.regimes.registry import Circumstances, register_regime
from data_select_gym.tasks.task import Task


@register_regime("clean", value="", drawn=("",))
def clean(task: Task, value: None, given: Circumstances) -> Task:
    """Nothing changes."""
    return task
