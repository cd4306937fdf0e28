"""Validation quality over the run."""

from __future__ import annotations

from markupsafe import Markup

from data_select_gym.experiments.charts.registry import Results, Section, register_chart
from data_select_gym.experiments.charts.small_multiples import small_multiples
from data_select_gym.experiments.plots import mean_curve
from data_select_gym.experiments.statistics import FULL

# Without the steep beginnings of curves, what sets their ends apart can be seen.
LOWEST_SHOWN = 0.15


@register_chart("validation-curves", place=20)
def validation_curves(results: Results) -> Section:
    """Validation quality over the run, a small chart a policy; the lowest values lie on the lower edge."""
    text = Markup("The mean over the seeds. Dashed: <i>full</i>, if it was among the policies.")
    if results.several_ratios:
        text += " Stronger: a higher keep ratio."
    charts = small_multiples(
        results.runs,
        lambda group: mean_curve(group, results.metric),
        across="cost",
        up=f"validation {results.metric}",
        lowest=LOWEST_SHOWN,
        behind=FULL,
    )
    return Section(f"Validation {results.metric} over the run", text, charts)
