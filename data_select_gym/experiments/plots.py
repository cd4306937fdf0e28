"""Figures of a comparison."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data_select_gym.experiments.results import RunRecord
from data_select_gym.experiments.statistics import Summary, group_runs
from data_select_gym.files import replacing

MARKERS = "osD^vP*X<>hp"
STYLES = ("-", "--", "-.", ":")
COST = "cost (samples trained on over those of full data)"


def draw_quality(summaries: Sequence[Summary], quality: str) -> Figure:
    """Quality against cost with intervals, a line a policy through its keep ratios."""
    policies = list(dict.fromkeys(summary.policy for summary in summaries))
    figure, axes = new_figure(len(policies))
    for number, policy in enumerate(policies):
        points = sorted((summary for summary in summaries if summary.policy == policy), key=lambda point: point.cost)
        means = np.array([point.quality.mean for point in points])
        ends = np.array([point.quality.interval or (point.quality.mean,) * 2 for point in points])
        axes.errorbar(
            [point.cost for point in points],
            means,
            # Rounding may put a mean outside its interval.
            yerr=np.maximum(0, [means - ends[:, 0], ends[:, 1] - means]),
            fmt=f"{MARKERS[number % len(MARKERS)]}-",
            color=f"C{number % 10}",
            capsize=3,
            label=plain(policy),
        )
    finish(axes, f"test {quality}")
    axes.set_xlim(0, 1.05)
    return figure


def draw_curves(runs: Sequence[RunRecord], quality: str) -> Figure:
    """Validation quality against cost, a line a policy and keep ratio, the mean over its seeds."""
    groups = group_runs(runs)
    figure, axes = new_figure(len(groups))
    policies = list(dict.fromkeys(policy for policy, _ in groups))
    ratios = list(dict.fromkeys(ratio for policy, ratio in groups))
    for (policy, ratio), group in groups.items():
        number = policies.index(policy)
        several = sum(policy == other for other, _ in groups) > 1
        axes.plot(
            *mean_curve(group, quality),
            label=f"{plain(policy)}, {ratio:g}" if several else plain(policy),
            color=f"C{number % 10}",
            linestyle=STYLES[ratios.index(ratio) % len(STYLES)] if several else STYLES[number // 10 % len(STYLES)],
            linewidth=1.5,
        )
    finish(axes, f"validation {quality}")
    return figure


def mean_curve(runs: Sequence[RunRecord], quality: str) -> tuple[list[float], list[float]]:
    """Cost and validation quality at each evaluation, the means over the seeds."""
    values = [[(point["cost"], point[f"val_{quality}"]) for point in run.curve] for run in runs]
    costs, qualities = np.mean(values, axis=0).T
    return costs.tolist(), qualities.tolist()


def new_figure(entries: int) -> tuple[Figure, Axes]:
    """An empty figure, high enough for a legend of ``entries``; without pyplot, which would keep it alive."""
    figure = Figure(figsize=(8.5, max(5, 0.2 * entries)), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def plain(text: str) -> str:
    """A label that is shown literally: a dollar would begin a formula, and a leading underscore hide it."""
    escaped = text.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped


def finish(axes: Axes, vertical: str) -> None:
    """Labels, grid and legend."""
    axes.set_xlabel(COST)
    axes.set_ylabel(vertical)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def save(figure: Figure, path: Path) -> None:
    """Write a picture."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)


def to_svg(figure: Figure) -> str:
    """The figure as an SVG element; its text and frame take the colour of the surrounding text."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "data-select-gym"}):
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    return text[text.index("<svg") :].replace("#000000", "currentColor")
