"""Places on the axes of small charts and strips, which are 200 wide."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from data_select_gym.experiments.statistics import Summary

WIDTH, HEIGHT = 200.0, 90.0
MOST_POINTS = 60

Curve = tuple[Sequence[float], Sequence[float]]


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
