"""The table of a comparison, for a terminal and in Markdown."""

from __future__ import annotations

import html
from collections.abc import Sequence

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from data_select_gym.experiments.columns import Column, choose_columns, describe_intervals
from data_select_gym.experiments.results import Failure
from data_select_gym.experiments.run_key import RunKey
from data_select_gym.experiments.statistics import Summary
from data_select_gym.experiments.timing import why_not_comparable


def make_table(summaries: Sequence[Summary], quality: str, title: str) -> ComparisonTable:
    """A table with a row for each policy and keep ratio, and a legend; ``quality`` is the name of the metric."""
    return ComparisonTable(summaries, quality, title)


class ComparisonTable:
    """A table for a terminal of any width: columns that do not fit follow in a second table."""

    def __init__(self, summaries: Sequence[Summary], quality: str, title: str) -> None:
        self.summaries = summaries
        self.title = title
        self.columns = [column for column in choose_columns(summaries, quality) if not column.wide] if summaries else []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The parts of the table, one below the other."""
        if not self.summaries:
            yield Table("no run was finished", title=Text(self.title), box=None)
            return
        blocks = self._blocks(options.max_width)
        for number, columns in enumerate(blocks):
            yield self._block(columns, Text("" if number else self.title), options.max_width)
        legend = Table.grid(padding=(0, 2))
        legend.add_column(no_wrap=True)
        legend.add_column()
        for column in self.columns:
            legend.add_row(Text(column.short), Text(column.meaning))
        yield ""
        yield legend
        yield Text(f"± is half the width of the interval. {notes(self.summaries)}", "italic")

    def _blocks(self, width: int) -> list[list[Column]]:
        """The columns in as few parts as fit beside the full names of the policies."""
        room = width - self._name_width(width)
        blocks: list[list[Column]] = []
        left = 0
        for column in self.columns:
            needed = self._least_width(column) + 1
            if needed > left or not blocks:
                blocks.append([])
                left = room
            blocks[-1].append(column)
            left -= needed
        return blocks

    def _name_width(self, width: int) -> int:
        """The width of the longest name, as long as any single column fits beside it."""
        longest = max(cell_len(word) for word in ("policy", *(summary.policy for summary in self.summaries)))
        return max(1, min(longest, width - max(map(self._least_width, self.columns)) - 1))

    def _least_width(self, column: Column) -> int:
        """The least width of a column: intervals may go to a second line, but no number is cut."""
        texts = [column.short, *(column.short_cell(summary) for summary in self.summaries)]
        return max(cell_len(word) for text in texts for word in text.split())

    def _widths(self, columns: Sequence[Column], room: int) -> list[int]:
        """The widths; from the left, as many columns as fit have their intervals beside the numbers."""
        widths = list(map(self._least_width, columns))
        for place, column in enumerate(columns):
            whole = max(cell_len(column.short_cell(summary)) for summary in self.summaries)
            if sum(widths) + len(widths) - widths[place] + whole <= room:
                widths[place] = max(widths[place], whole)
        return widths

    def _block(self, columns: Sequence[Column], title: Text, width: int) -> Table:
        table = Table(title=title if title.plain else None, box=SIMPLE, show_edge=False, padding=(0, 0))
        name_width = self._name_width(width)
        table.add_column("policy", overflow="fold", width=name_width)
        for column, wide in zip(columns, self._widths(columns, width - name_width), strict=True):
            table.add_column(column.short, justify="right", width=wide)
        for summary in self.summaries:
            table.add_row(Text(summary.policy), *(column.short_cell(summary) for column in columns))
        return table


def notes(summaries: Sequence[Summary]) -> str:
    """Notes on intervals and seconds."""
    return " ".join(filter(None, (describe_intervals(summaries), why_not_comparable(summaries))))


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
        lines += ["", notes(summaries)]
    if failures:
        lines += ["", "Runs that failed:", "", *(f"- {escape(describe_failure(failure))}" for failure in failures)]
    return "\n".join(lines) + "\n"


def describe_failure(failure: Failure) -> str:
    """One line on a run that failed."""
    key = RunKey(failure.policy, failure.keep_ratio, failure.seed, failure.asked_cost)
    return f"{key}: {failure.error.strip().partition(chr(10))[0]}"


def escape(text: str) -> str:
    """The text, escaped for a cell of a Markdown table."""
    return " ".join(html.escape(text, quote=False).replace("|", "\\|").split())
