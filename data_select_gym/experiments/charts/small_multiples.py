"""Small charts, one a policy on common axes, so that many policies stay readable.

They are SVG written here instead of a matplotlib figure: they flow into as many columns as the screen has room for,
keep their text legible at 390 pixels, follow light and dark pages, and take a seventh of the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data_select_gym.experiments.axes import MOST_POINTS, Curve, ends, polyline
from data_select_gym.experiments.results import RunRecord
from data_select_gym.experiments.statistics import group_runs


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        kind: ``mine``, or ``other`` for one that the policy is compared with.
        points: as ``points`` of an SVG polyline; the chart is 200 by 90.
        opacity: the stronger, the higher the keep ratio.
        name: what the line is.
    """

    kind: str
    points: str
    opacity: float
    name: str


@dataclass(frozen=True)
class Chart:
    """The chart of one policy."""

    policy: str
    lines: list[Line]


@dataclass(frozen=True)
class SmallMultiples:
    """Charts on common axes.

    Attributes:
        charts: one a policy.
        across: what the horizontal axis shows.
        up: what the vertical axis shows.
        left: its value at the left end, as text; likewise the other three.
    """

    charts: list[Chart]
    across: str
    up: str
    left: str
    right: str
    bottom: str
    top: str


def small_multiples(
    runs: Sequence[RunRecord],
    make_curve: Callable[[Sequence[RunRecord]], Curve],
    *,
    across: str,
    up: str,
    ends_up: tuple[float, float] | None = None,
    lowest: float = 0.0,
    behind: str | None = None,
) -> SmallMultiples:
    """A chart for each policy with a line for each keep ratio.

    Args:
        runs: that are drawn.
        make_curve: from the runs of a policy at a keep ratio to its line.
        across: what the horizontal axis shows.
        up: what the vertical axis shows.
        ends_up: ends of the vertical axis; those of the lines if None.
        lowest: share of the values that lie on the lower edge.
        behind: name of a policy whose first line is drawn in every other chart.
    """
    curves = {key: make_curve(group) for key, group in group_runs(runs).items()}
    left, right = ends([x for xs, _ in curves.values() for x in xs])
    bottom, top = ends_up or ends([y for _, ys in curves.values() for y in ys], lowest)

    def line(key: tuple[str, float], kind: str, opacity: float) -> Line:
        points = polyline(curves[key], (left, right), (bottom, top))
        return Line(kind, points, opacity, f"{key[0]}, keep ratio {key[1]:g}")

    references = [key for key in curves if key[0] == behind][:1]
    charts = []
    for policy in dict.fromkeys(policy for policy, _ in curves):
        mine = sorted((key for key in curves if key[0] == policy), key=lambda key: key[1])
        others = [line(key, "other", 1.0) for key in references if policy != behind]
        charts.append(
            Chart(policy, others + [line(key, "mine", place / len(mine)) for place, key in enumerate(mine, start=1)])
        )
    return SmallMultiples(charts, across, up, *(f"{end:.3g}" for end in (left, right, bottom, top)))


def mean_steps(histories: Sequence[Sequence[float]]) -> Curve:
    """The mean over runs of a value a step, over the share of the steps; long histories are averaged in parts."""
    shortest = min(len(history) for history in histories)
    values = np.mean([history[:shortest] for history in histories], axis=0)
    parts = [float(np.mean(part)) for part in np.array_split(values, min(MOST_POINTS, shortest))]
    return np.linspace(0, 1, len(parts)).tolist(), parts
