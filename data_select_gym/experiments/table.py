"""The table of a comparison, for a terminal and in Markdown."""

from __future__ import annotations

import html
from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from data_select_gym.experiments.columns import choose_columns, describe_intervals
from data_select_gym.experiments.comparison import RunKey
from data_select_gym.experiments.results import Failure
from data_select_gym.experiments.statistics import Summary


def make_table(summaries: Sequence[Summary], quality: str, title: str) -> Table:
    """One row a policy and keep ratio; ``quality`` is the name of the metric."""
    if not summaries:
        return Table("no run was finished", title=Text(title), box=None)
    caption = f"± half the width of the interval. {describe_intervals(summaries)}"
    table = Table(title=Text(title), caption=caption, box=SIMPLE, show_edge=False, padding=(0, 0))
    table.add_column("policy", overflow="fold")
    columns = [column for column in choose_columns(summaries, quality) if not column.wide]
    cells = [[column.short_cell(summary) for summary in summaries] for column in columns]
    for column, texts in zip(columns, cells, strict=True):
        # Where there is little room, intervals go to a line of their own, but no number is cut.
        words = [word for text in (column.short, *texts) for word in text.split()]
        table.add_column(column.short, justify="right", min_width=max(map(len, words)))
    for summary, row in zip(summaries, zip(*cells, strict=True), strict=True):
        table.add_row(Text(summary.policy), *row)
    return table


def make_markdown(summaries: Sequence[Summary], quality: str, failures: Sequence[Failure] = ()) -> str:
    """The same table in Markdown, with the ends of the intervals, and the failures below it."""
    columns = choose_columns(summaries, quality)
    lines = []
    if summaries:
        rows = [
            ["policy", *(column.header for column in columns)],
            ["---", *("---:" for _ in columns)],
            *([escape(summary.policy), *(column.full_cell(summary) for column in columns)] for summary in summaries),
        ]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        lines += ["", describe_intervals(summaries)]
    if failures:
        lines += ["", "Runs that failed:", "", *(f"- {escape(describe_failure(failure))}" for failure in failures)]
    return "\n".join(lines) + "\n"


def describe_failure(failure: Failure) -> str:
    """One line on a run that failed."""
    key = RunKey(failure.policy, failure.keep_ratio, failure.seed)
    return f"{key}: {failure.error.strip().partition(chr(10))[0]}"


def escape(text: str) -> str:
    """The text without what Markdown or HTML would read as theirs in a table's cell."""
    return " ".join(html.escape(text, quote=False).replace("|", "\\|").split())
