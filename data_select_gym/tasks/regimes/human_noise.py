"""Wrong labels that people gave."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from data_select_gym.arguments import check_path
from data_select_gym.tasks.label_files import take_labels
from data_select_gym.tasks.regimes.registry import (
    LABELS,
    PLUS_IN_PATH,
    Circumstances,
    register_regime,
    why_no_label_noise,
)
from data_select_gym.tasks.task import Task


class LabelFile(NamedTuple):
    """A file of labels, and which of its entries holds them."""

    path: Path
    key: str | None


def read_file(name: str, text: str) -> LabelFile:
    """The file that ``PATH`` or ``PATH#KEY`` stands for.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no path is given.
    """
    place, _, key = text.partition("#")
    path = check_path(name, place)
    if not path.is_file():
        plus = f" as {str(path)!r}{PLUS_IN_PATH}" if "+" in name else ""
        raise FileNotFoundError(f"{name}: there is no such file{plus}")
    return LabelFile(path, key or None)


@register_regime(
    "human-noise",
    value="FILE",
    read=read_file,
    fits="classification",
    why_not=why_no_label_noise,
    group=LABELS,
    first=True,
)
def human_noise(task: Task, file: LabelFile, given: Circumstances) -> Task:
    """The labels of a file, as by the option `label_noise_file`; `FILE#KEY` names an entry of it."""
    return take_labels(task, label_noise_file=file.path, label_noise_key=file.key)
