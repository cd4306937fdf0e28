"""The share kept over the run."""

from __future__ import annotations

from data_select_gym.experiments.charts.registry import Results, Section, register_chart
from data_select_gym.experiments.charts.small_multiples import mean_steps, small_multiples


@register_chart("kept-share", place=30)
def kept_share(results: Results) -> Section:
    """The share kept at each step, a small chart a policy."""
    charts = small_multiples(
        results.runs,
        lambda group: mean_steps([run.keep_fractions for run in group]),
        across="share of the steps",
        up="share kept",
        ends_up=(0, 1),
    )
    text = "At each step at which something was selected, the mean over the seeds."
    return Section("Share kept over the run", text, charts)
