"""The losses of the training set at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_select_gym.experiments.axes import WIDTH, position
from data_select_gym.experiments.charts.registry import Results, Section, register_chart
from data_select_gym.experiments.charts.tables import StripRow, StripTable
from data_select_gym.experiments.results import RunRecord
from data_select_gym.experiments.statistics import group_runs

LEAST_LOSS = 1e-6
# Places of the quantiles 0.05, 0.25, 0.5, 0.75, 0.95 among 0, 0.05, ..., 1.
QUANTILES = (1, 5, 10, 15, 19)
HEADS = ("5%", "25%", "median", "75%", "95%")


@dataclass(frozen=True)
class FinalLosses:
    """The mean over its seeds of the quantiles of the losses at the end of one policy's runs.

    Attributes:
        policy: its name.
        keep_ratio: the share of candidates that was meant to be kept.
        quantiles: 0.05, 0.25, 0.5, 0.75 and 0.95.
        places: of these in a strip of width 200, on a logarithmic axis.
    """

    policy: str
    keep_ratio: float
    quantiles: list[float]
    places: list[float]


@register_chart("final-losses", place=70)
def losses_at_the_end(results: Results) -> Section | None:
    """The last recorded loss of each training sample, a strip a policy."""
    shown = final_losses(results.runs)
    if not shown:
        return None
    text = (
        "The last recorded loss of each training sample. A strip goes from the 5% to the 95% quantile on a logarithmic "
        "axis, the same for all; its broad part is the middle half, its mark the median."
    )
    rows = [
        StripRow(row.policy, row.keep_ratio, row.places, [f"{quantile:.3g}" for quantile in row.quantiles])
        for row in shown
    ]
    return Section("Losses at the end", text, StripTable(HEADS, rows, results.several_ratios))


def final_losses(runs: Sequence[RunRecord]) -> list[FinalLosses]:
    """A row for each policy and keep ratio of which it is known."""
    groups = group_runs([run for run in runs if run.final_losses])
    rows = {key: np.mean([run.final_losses for run in group], axis=0)[list(QUANTILES)] for key, group in groups.items()}
    logarithms = {key: [math.log10(max(loss, LEAST_LOSS)) for loss in row.tolist()] for key, row in rows.items()}
    low = min((row[0] for row in logarithms.values()), default=0.0)
    high = max((row[-1] for row in logarithms.values()), default=0.0)
    return [
        FinalLosses(*key, rows[key].tolist(), [WIDTH * position(value, low, high) for value in logarithms[key]])
        for key in groups
    ]
