"""The share of the kept samples that was mislabelled, over the run."""

from __future__ import annotations

from markupsafe import Markup

from data_select_gym.experiments.charts.registry import Results, Section, register_chart
from data_select_gym.experiments.charts.small_multiples import mean_steps, small_multiples
from data_select_gym.experiments.statistics import RANDOM


@register_chart("mislabelled", place=40)
def mislabelled(results: Results) -> Section | None:
    """The share of the kept that was mislabelled at each step, where that is known, a small chart a policy."""
    known = [run for run in results.runs if run.mislabelled]
    if not known:
        return None
    charts = small_multiples(
        known,
        lambda group: mean_steps([run.mislabelled for run in group]),
        across="share of the steps",
        up="share mislabelled",
        behind=RANDOM,
    )
    text = "The true labels are known here; no policy saw them. Dashed: <i>random</i>, if it was among the policies."
    return Section("Mislabelled samples among the kept", Markup(text), charts)
