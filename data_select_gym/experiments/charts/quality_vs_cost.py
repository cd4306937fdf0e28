"""Quality against cost."""

from __future__ import annotations

from data_select_gym.experiments.charts.registry import Results, Section, register_chart
from data_select_gym.experiments.plots import draw_quality


@register_chart("quality-vs-cost", place=10)
def quality_vs_cost(results: Results) -> Section:
    """Test quality against cost, a line a policy through its keep ratios."""
    text = f"Test {results.metric} at the end of the run. Further left is cheaper, further up is better."
    if results.several_ratios:
        text += " A line is one policy at several keep ratios: compare where lines lie at the same cost."
    return Section("Quality against cost", text, draw_quality(results.summaries, results.metric))
