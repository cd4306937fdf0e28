"""The page of a comparison: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from data_select_gym.experiments.axes import place_qualities
from data_select_gym.experiments.charts import HeatTable, Results, SmallMultiples, StripTable, make_sections
from data_select_gym.experiments.columns import choose_columns, describe_intervals, problem_names
from data_select_gym.experiments.command_line import repeat_command
from data_select_gym.experiments.plots import to_svg
from data_select_gym.experiments.results import Failure, RunRecord
from data_select_gym.experiments.timing import why_not_comparable
from data_select_gym.tasks.problems import find_problem

FOLDER = Path(__file__).parent
TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
MACROS = {SmallMultiples: "small_multiples", HeatTable: "heat_table", StripTable: "strip_table"}


def make_page(settings: Mapping[str, Any], runs: Sequence[RunRecord], failures: Sequence[Failure], quality: str) -> str:
    """The page as text.

    Args:
        settings: of the comparison, as ``Comparison.settings`` gives them.
        runs: that are finished.
        failures: the others.
        quality: name of the metric.
    """
    content: dict[str, Any] = {
        "style": (FOLDER / "page.css").read_text(encoding="utf-8"),
        "settings": settings,
        "command": repeat_command(settings),
        "quality": quality,
        "runs": runs,
        "failures": failures,
        "tokens_known": any(run.result.token_cost is not None for run in runs),
        "regimes_known": any(run.regime for run in runs),
        "problems": [(name, find_problem(name)) for name in problem_names([run.result.problems for run in runs])],
        "draw": draw,
    }
    if runs:
        results = Results(settings, runs, quality)
        summaries = results.summaries
        content |= {
            "summaries": summaries,
            "columns": choose_columns(summaries, quality),
            "places": place_qualities(summaries),
            "intervals": describe_intervals(summaries),
            "not_comparable": why_not_comparable(summaries),
            "sections": make_sections(results),
        }
    return TEMPLATES.get_template("page.html").render(content)


def draw(body: Any) -> Markup:
    """The body of a section as HTML; text that is not ``Markup`` is escaped."""
    macros = TEMPLATES.get_template("page_parts.html").module
    if isinstance(body, Figure):
        return Markup(macros.picture(Markup(to_svg(body))))  # type: ignore[attr-defined]
    name = MACROS.get(type(body))
    return Markup.escape(body) if name is None else Markup(getattr(macros, name)(body))
