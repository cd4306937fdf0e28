"""Pictures of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data_select_gym.experiments.results import Run, Summary
from data_select_gym.files import replacing

MARKERS = "osD^vP*X<>hp"


def draw_quality(path: Path, summaries: Sequence[Summary], quality: str) -> None:
    """Quality against cost, a point a policy with its interval."""
    figure = Figure(figsize=(8.5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, summary in enumerate(summaries):
        axes.errorbar(
            summary.cost,
            summary.quality.mean,
            yerr=np.nan_to_num(summary.quality.half_width),
            fmt=MARKERS[number % len(MARKERS)],
            capsize=3,
            label=summary.policy,
        )
    finish(axes, "cost (samples trained on over those of full data)", f"test {quality}")
    axes.set_xlim(0, 1.05)
    save(figure, path)


def draw_curves(path: Path, runs: Sequence[Run], quality: str) -> None:
    """Validation quality against cost, a line a policy, the mean over its seeds."""
    figure = Figure(figsize=(8.5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for policy in dict.fromkeys(run.policy for run in runs):
        curves = [run.curve for run in runs if run.policy == policy]
        costs = np.mean([[point["cost"] for point in curve] for curve in curves], axis=0)
        values = np.mean([[point[f"val_{quality}"] for point in curve] for curve in curves], axis=0)
        axes.plot(costs, values, label=policy, linewidth=1.5)
    finish(axes, "cost (samples trained on over those of full data)", f"validation {quality}")
    save(figure, path)


def finish(axes: Axes, horizontal: str, vertical: str) -> None:
    """Labels, grid and legend."""
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))


def save(figure: Figure, path: Path) -> None:
    """Write a picture."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)
