"""Small charts for the page of a comparison, one a policy on common axes, so that many policies stay readable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data_select_gym.experiments.plots import mean_curve
from data_select_gym.experiments.results import RunRecord
from data_select_gym.experiments.statistics import FULL, RANDOM, Summary, group_runs

WIDTH, HEIGHT = 200.0, 90.0
MOST_POINTS = 60
# Without the steep beginnings of curves, what sets their ends apart can be seen.
LOWEST_SHOWN = 0.15

Curve = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        kind: ``mine``, or ``other`` for one that is there for comparison.
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
class Charts:
    """Charts on common axes, with the ends of the axes as text."""

    charts: list[Chart]
    left: str
    right: str
    bottom: str
    top: str


def chart_curves(runs: Sequence[RunRecord], quality: str) -> Charts:
    """Validation quality against cost; that of ``full`` behind it. The lowest values lie on the lower edge."""
    return draw_charts(runs, lambda group: mean_curve(group, quality), lowest=LOWEST_SHOWN, behind=FULL)


def chart_kept(runs: Sequence[RunRecord]) -> Charts:
    """The share kept over the steps."""
    return draw_charts(runs, lambda group: mean_steps([run.keep_fractions for run in group]), up=(0, 1))


def chart_mislabelled(runs: Sequence[RunRecord]) -> Charts:
    """The share of the kept that was mislabelled over the steps, where that is known; that of ``random`` behind it."""
    known = [run for run in runs if run.mislabelled]
    return draw_charts(known, lambda group: mean_steps([run.mislabelled for run in group]), behind=RANDOM)


def draw_charts(
    runs: Sequence[RunRecord],
    make_curve: Callable[[Sequence[RunRecord]], Curve],
    up: tuple[float, float] | None = None,
    lowest: float = 0.0,
    behind: str | None = None,
) -> Charts:
    """A chart for each policy with a line for each keep ratio.

    Args:
        runs: of which the charts are.
        make_curve: from the runs of a policy at a keep ratio to its line.
        up: ends of the vertical axis; those of the lines if left out.
        lowest: share of the values that are too low to be told apart.
        behind: name of a policy whose first line is drawn in every other chart.
    """
    curves = {key: make_curve(group) for key, group in group_runs(runs).items()}
    left, right = ends([x for xs, _ in curves.values() for x in xs])
    bottom, top = up or ends([y for _, ys in curves.values() for y in ys], lowest)

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
    return Charts(charts, *(f"{end:.3g}" for end in (left, right, bottom, top)))


def place_qualities(summaries: Sequence[Summary]) -> list[tuple[float, float, float] | None]:
    """For each summary, where its quality and the ends of its interval lie in a strip of width 200; None for NaN."""
    spans = [
        (*(summary.quality.interval or (summary.quality.mean,) * 2), summary.quality.mean) for summary in summaries
    ]
    low, high = ends([value for span in spans for value in span])
    return [
        (WIDTH * position(start, low, high), WIDTH * position(end, low, high), WIDTH * position(mean, low, high))
        if math.isfinite(mean)
        else None
        for start, end, mean in spans
    ]


def mean_steps(histories: Sequence[Sequence[float]]) -> Curve:
    """The mean over runs of a value a step, over the share of the steps; long histories are averaged in parts."""
    shortest = min(len(history) for history in histories)
    values = np.mean([history[:shortest] for history in histories], axis=0)
    parts = [float(np.mean(part)) for part in np.array_split(values, min(MOST_POINTS, shortest))]
    return np.linspace(0, 1, len(parts)).tolist(), parts


def ends(values: Sequence[float], lowest: float = 0.0) -> tuple[float, float]:
    """The least of the finite ones, a share of the lowest left out, and the greatest; 0 and 1 if there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return (float(np.quantile(finite, lowest)), max(finite)) if finite else (0.0, 1.0)


def polyline(curve: Curve, across: tuple[float, float], up: tuple[float, float]) -> str:
    """The finite points of a curve in the coordinates of a chart."""
    places = [
        (WIDTH * position(x, *across), HEIGHT * (1 - position(y, *up)))
        for x, y in thin(list(zip(*curve, strict=True)))
        if math.isfinite(x) and math.isfinite(y)
    ]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Some of the points, evenly, with the first and the last."""
    chosen = np.linspace(0, len(points) - 1, min(MOST_POINTS, len(points))).round().astype(int)
    return [points[number] for number in chosen]


def position(value: float, low: float, high: float) -> float:
    """Where the value lies between the two, in [0, 1]; in the middle if they are one."""
    return 0.5 if high <= low else min(1.0, max(0.0, (value - low) / (high - low)))
