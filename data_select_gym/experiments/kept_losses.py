"""Which losses the kept samples had, and which the training set has in the end, for the page of a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_select_gym.experiments.charts import WIDTH, position
from data_select_gym.experiments.results import RunRecord
from data_select_gym.experiments.statistics import group_runs

LEAST_LOSS = 1e-6
# Places of the quantiles 0.05, 0.25, 0.5, 0.75, 0.95 among 0, 0.05, ..., 1.
QUANTILES = (1, 5, 10, 15, 19)


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


def kept_by_loss(runs: Sequence[RunRecord]) -> list[KeptByLoss]:
    """A row for each policy and keep ratio of which it is known."""
    groups = group_runs([run for run in runs if run.kept_by_loss])
    means = {key: np.mean([run.kept_by_loss for run in group], axis=0) for key, group in groups.items()}
    most = max((float(mean.max()) for mean in means.values()), default=0.0)
    return [
        KeptByLoss(policy, ratio, [[(share, position(share, 0, most)) for share in third] for third in mean.tolist()])
        for (policy, ratio), mean in means.items()
    ]


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
