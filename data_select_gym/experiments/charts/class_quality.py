"""Quality by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from data_select_gym.experiments.axes import position
from data_select_gym.experiments.charts.registry import Results, Section, register_chart
from data_select_gym.experiments.charts.tables import HeatRow, HeatTable
from data_select_gym.experiments.results import RunRecord
from data_select_gym.experiments.statistics import FULL, group_runs

MOST_CLASSES = 30
FEW_CLASSES = 10


@dataclass(frozen=True)
class ClassRow:
    """The mean over its seeds of one policy's quality of some classes.

    Attributes:
        policy: its name.
        keep_ratio: the share of candidates that was meant to be kept.
        cells: of each class the quality, and how strongly it is coloured, in [0, 1]: the lower, the stronger.
    """

    policy: str
    keep_ratio: float
    cells: list[tuple[float, float]]


@dataclass(frozen=True)
class QualityByClass:
    """A row for each policy and keep ratio of which it is known.

    Attributes:
        classes: that are shown: all that have samples, or of more than 30 the ten that are worst under ``judge``.
        judge: name of the policy by which they were chosen; None where all are shown.
        rows: of the policies.
    """

    classes: list[int]
    judge: str | None
    rows: list[ClassRow]


@register_chart("class-quality", place=50)
def class_quality(results: Results) -> Section | None:
    """Test quality of each class at the end of the run, a row a policy."""
    shown = quality_by_class(results.runs)
    if shown is None:
        return None
    text = Markup(
        "The test {} of each class at the end of the run, the mean over the seeds. The lower, the stronger the colour."
    ).format(results.metric)
    if shown.judge is not None:
        text += Markup(" Shown are the {} classes that are worst with <i>{}</i>.").format(
            len(shown.classes), shown.judge
        )
    rows = [
        HeatRow(row.policy, row.keep_ratio, [(f"{value:.2f}", strength) for value, strength in row.cells])
        for row in shown.rows
    ]
    return Section("Quality by class", text, HeatTable([*map(str, shown.classes)], rows, results.several_ratios))


def quality_by_class(runs: Sequence[RunRecord]) -> QualityByClass | None:
    """The quality of each class by policy; None where no run tells it.

    Of many classes the ten worst under ``full`` are shown, or under the first policy without it.
    """
    groups = group_runs([run for run in runs if run.by_class])
    if not groups:
        return None
    # A class without samples, None, is one in all runs, which have the same test set.
    means = {key: np.mean([np.array(run.by_class, float) for run in group], axis=0) for key, group in groups.items()}
    judge = next((key for key in means if key[0] == FULL), next(iter(means)))
    classes = np.flatnonzero([value is not None for value in groups[judge][0].by_class])
    chosen = len(classes) > MOST_CLASSES
    if chosen:
        classes = classes[means[judge][classes].argsort(kind="stable")[:FEW_CLASSES]]
    shown = {key: mean[classes] for key, mean in means.items()}
    low, high = (float(end(list(shown.values()))) for end in (np.nanmin, np.nanmax))
    rows = [
        ClassRow(*key, [(value, 1 - position(value, low, high)) for value in values.tolist()])
        for key, values in shown.items()
    ]
    return QualityByClass(classes.tolist(), judge[0] if chosen else None, rows)
