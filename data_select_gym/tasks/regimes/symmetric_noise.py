"""Wrong labels, of any other class."""

from __future__ import annotations

from data_select_gym.tasks.noise import add_label_noise
from data_select_gym.tasks.regimes.registry import LABELS, Circumstances, register_regime, why_no_label_noise
from data_select_gym.tasks.task import Task


@register_regime(
    "symmetric-noise",
    fits="classification",
    why_not=why_no_label_noise,
    drawn=("0.1", "0.2", "0.3", "0.4", "0.5"),
    group=LABELS,
)
def symmetric_noise(task: Task, share: float, given: Circumstances) -> Task:
    """A share p of the labels is any of the other classes, as by the option `label_noise`."""
    return add_label_noise(task, label_noise=share, label_noise_kind="symmetric", label_noise_seed=given.seed)
