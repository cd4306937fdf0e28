"""Which losses the kept samples had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_select_gym.experiments.axes import position
from data_select_gym.experiments.charts.registry import Results, Section, register_chart
from data_select_gym.experiments.charts.tables import HeatRow, HeatTable
from data_select_gym.experiments.results import RunRecord
from data_select_gym.experiments.statistics import group_runs

THIRDS = ("first third of the run", "second third", "last third")


@dataclass(frozen=True)
class KeptByLoss:
    """The mean over its seeds of where one policy's kept samples came from.

    Attributes:
        policy: its name.
        keep_ratio: the share of candidates that was meant to be kept.
        thirds: for each third of the run, for each tenth of the pool's losses the share of the kept, and how strongly
            it is coloured, in [0, 1].
    """

    policy: str
    keep_ratio: float
    thirds: list[list[tuple[float, float]]]


@register_chart("kept-losses", place=60)
def kept_losses(results: Results) -> Section | None:
    """Where among the losses of their pool the kept samples were, a row a policy."""
    shown = kept_by_loss(results.runs)
    if not shown:
        return None
    text = (
        "Each pool is cut into tenths by recorded loss, 1 the lowest and 10 the highest. A cell says how many percent "
        "of the kept samples came from that tenth; a random choice has 10 in each."
    )
    rows = [
        HeatRow(
            row.policy,
            row.keep_ratio,
            [(f"{100 * share:.0f}", strength) for third in row.thirds for share, strength in third],
        )
        for row in shown
    ]
    heads = [str(tenth) for _ in THIRDS for tenth in range(1, 11)]
    table = HeatTable(heads, rows, results.several_ratios, groups=THIRDS)
    return Section("Which losses the kept samples had", text, table)


def kept_by_loss(runs: Sequence[RunRecord]) -> list[KeptByLoss]:
    """A row for each policy and keep ratio of which it is known."""
    groups = group_runs([run for run in runs if run.kept_by_loss])
    means = {key: np.mean([run.kept_by_loss for run in group], axis=0) for key, group in groups.items()}
    most = max((float(mean.max()) for mean in means.values()), default=0.0)
    return [
        KeptByLoss(policy, ratio, [[(share, position(share, 0, most)) for share in third] for third in mean.tolist()])
        for (policy, ratio), mean in means.items()
    ]
