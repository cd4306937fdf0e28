"""The page of a comparison: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data_select_gym.experiments.charts import chart_curves, chart_kept, chart_mislabelled, place_qualities
from data_select_gym.experiments.columns import choose_columns, describe_intervals, several_ratios
from data_select_gym.experiments.commands import repeat_command
from data_select_gym.experiments.kept_losses import final_losses, kept_by_loss
from data_select_gym.experiments.plots import draw_quality, to_svg
from data_select_gym.experiments.quality_by_class import quality_by_class
from data_select_gym.experiments.results import Failure, RunRecord
from data_select_gym.experiments.seconds_table import seconds_by_part
from data_select_gym.experiments.statistics import summarise
from data_select_gym.experiments.timing import why_not_comparable

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


def make_page(settings: Mapping[str, Any], runs: Sequence[RunRecord], failures: Sequence[Failure], quality: str) -> str:
    """The page as text.

    Args:
        settings: of the comparison, as ``Comparison.settings`` gives them.
        runs: that were finished.
        failures: the others.
        quality: name of the metric.
    """
    summaries = summarise(runs)
    content: dict[str, Any] = {
        "settings": settings,
        "command": repeat_command(settings),
        "quality": quality,
        "runs": runs,
        "failures": failures,
        "summaries": summaries,
        "several_ratios": several_ratios(summaries),
        "tokens_known": any(run.result.token_cost is not None for run in runs),
        "labels_known": any(run.mislabelled for run in runs),
    }
    if runs:
        content |= {
            "columns": choose_columns(summaries, quality),
            "places": place_qualities(summaries),
            "intervals": describe_intervals(summaries),
            "not_comparable": why_not_comparable(summaries),
            "quality_picture": to_svg(draw_quality(summaries, quality)),
            "curves": chart_curves(runs, quality),
            "kept": chart_kept(runs),
            "mislabelled": chart_mislabelled(runs),
            "kept_by_loss": kept_by_loss(runs),
            "final_losses": final_losses(runs),
            "by_class": quality_by_class(runs),
            "by_part": seconds_by_part(runs),
        }
    return TEMPLATES.get_template("page.html").render(content)
