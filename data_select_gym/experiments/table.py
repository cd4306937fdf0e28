"""The table of a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from data_select_gym.experiments.results import Estimate, Summary


def make_table(summaries: Sequence[Summary], quality: str, title: str) -> Table:
    """One row a policy; ``quality`` is the name of the metric."""
    caption = "± half of a 95% interval over the seeds; differences to full are paired by seed"
    table = Table(title=title, caption=caption, box=SIMPLE, padding=(0, 0))
    table.add_column("policy", no_wrap=True)
    for header in (quality, "difference", "cost", "seconds", "over full", "agent"):
        table.add_column(header, justify="right")
    for summary in summaries:
        table.add_row(
            summary.policy,
            tell(summary.quality, "{:.4f}"),
            "-" if summary.difference is None else tell(summary.difference, "{:+.4f}"),
            f"{summary.cost:.3f}",
            f"{summary.seconds:.1f}",
            "-" if summary.seconds_ratio is None else f"{summary.seconds_ratio:.2f}",
            f"{summary.agent_share:.1%}",
        )
    return table


def make_markdown(summaries: Sequence[Summary], quality: str) -> str:
    """The same table in Markdown."""
    lines = [
        f"| policy | {quality} | difference to full | cost | seconds | seconds / full's | agent's share |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for summary in summaries:
        difference = "-" if summary.difference is None else tell(summary.difference, "{:+.4f}")
        ratio = "-" if summary.seconds_ratio is None else f"{summary.seconds_ratio:.2f}"
        lines.append(
            f"| {summary.policy} | {tell(summary.quality, '{:.4f}')} | {difference} | {summary.cost:.3f} "
            f"| {summary.seconds:.1f} | {ratio} | {summary.agent_share:.1%} |"
        )
    return "\n".join(lines) + "\n"


def tell(estimate: Estimate, form: str) -> str:
    """A mean in the given form, with the half-width of its interval if there is one."""
    mean = form.format(estimate.mean)
    return mean if math.isnan(estimate.half_width) else f"{mean} ±{estimate.half_width:.4f}"
