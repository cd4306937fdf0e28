"""Experiments: policies compared over seeds."""

from data_select_gym.experiments.compare import Outcome, compare
from data_select_gym.experiments.comparison import Comparison
from data_select_gym.experiments.results import Failure, Run
from data_select_gym.experiments.run_key import RunKey
from data_select_gym.experiments.statistics import Summary, summarise
from data_select_gym.experiments.table import make_markdown, make_table

__all__ = [
    "Comparison",
    "Failure",
    "Outcome",
    "Run",
    "RunKey",
    "Summary",
    "compare",
    "make_markdown",
    "make_table",
    "summarise",
]
