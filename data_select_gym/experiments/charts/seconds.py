"""What the seconds of runs went to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_select_gym.experiments.charts.registry import Results, Section, register_chart
from data_select_gym.experiments.charts.tables import HeatRow, HeatTable
from data_select_gym.experiments.results import RunRecord
from data_select_gym.experiments.statistics import group_runs
from data_select_gym.experiments.timing import why_not_comparable
from data_select_gym.phase_timer import PHASES


@dataclass(frozen=True)
class PartsRow:
    """The mean over its seeds of the seconds of one policy's runs by part.

    Attributes:
        policy: its name.
        keep_ratio: the share of candidates that was meant to be kept.
        cells: of each part the seconds, and how strongly it is coloured: its share of all, in [0, 1].
    """

    policy: str
    keep_ratio: float
    cells: list[tuple[float, float]]


@dataclass(frozen=True)
class SecondsByPart:
    """A row for each policy and keep ratio of which it is known.

    Attributes:
        parts: names and meanings of those that took any time.
        rows: of the policies.
    """

    parts: dict[str, str]
    rows: list[PartsRow]


@register_chart("seconds", place=80)
def seconds(results: Results) -> Section | None:
    """Seconds of the runs by part, a row a policy."""
    shown = seconds_by_part(results.runs)
    if shown is None:
        return None
    text = "Seconds by part, the mean over the seeds. The larger a part's share, the stronger the colour."
    text = f"{text} {why_not_comparable(results.summaries)}".rstrip()
    rows = [
        HeatRow(row.policy, row.keep_ratio, [(f"{value:.3g}", strength) for value, strength in row.cells])
        for row in shown.rows
    ]
    table = HeatTable([*shown.parts], rows, results.several_ratios, meanings=[*shown.parts.values()])
    return Section("What the seconds went to", text, table)


def seconds_by_part(runs: Sequence[RunRecord]) -> SecondsByPart | None:
    """The seconds of each part by policy; None where no run tells them."""
    known = [run for run in runs if run.result.seconds_by_part]
    means = {
        key: {part: float(np.mean([run.result.seconds_by_part[part] for run in group])) for part in PHASES}
        for key, group in group_runs(known).items()
    }
    parts = {part: meaning for part, meaning in PHASES.items() if any(mean[part] > 0 for mean in means.values())}
    rows = [
        PartsRow(*key, [(mean[part], mean[part] / sum(mean.values())) for part in parts])
        for key, mean in means.items()
        if sum(mean.values()) > 0
    ]
    return SecondsByPart(parts, rows) if rows else None
