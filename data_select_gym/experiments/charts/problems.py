"""The share of the kept samples that had a known problem, over the run; a chart for each problem."""

from __future__ import annotations

from functools import partial

from markupsafe import Markup

from data_select_gym.experiments.charts.registry import Results, Section, register_chart
from data_select_gym.experiments.charts.small_multiples import mean_steps, small_multiples
from data_select_gym.experiments.statistics import RANDOM
from data_select_gym.tasks.problems import PROBLEMS


def draw_problem(name: str, results: Results) -> Section | None:
    """The share of the kept that had a problem at each step, where that is known, a small chart a policy."""
    if not any(run.problems.get(name) for run in results.runs):
        return None
    # As in the tables, a regime without the problem counts as 0.
    known = [run for run in results.runs if run.problems.get(name) or (run.regime and run.keep_fractions)]
    words = PROBLEMS[name].words
    charts = small_multiples(
        known,
        lambda group: mean_steps([run.problems.get(name) or [0.0] * len(run.keep_fractions) for run in group]),
        across="share of the steps",
        up=f"share {words}",
        behind=RANDOM,
    )
    truth = "The true labels are known here" if name == "mislabelled" else "What is wrong with samples is known here"
    text = f"{truth}; no policy saw {'them' if name == 'mislabelled' else 'it'}."
    return Section(
        f"{words.capitalize()} samples among the kept",
        Markup("{} Dashed: <i>random</i>, if it was among the policies.").format(text),
        charts,
    )


for place, problem in enumerate(PROBLEMS):
    register_chart(problem.replace("_", "-"), place=40 + place / len(PROBLEMS))(partial(draw_problem, problem))
