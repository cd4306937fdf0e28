"""Experiments: policies compared over seeds."""

from data_select_gym.experiments.compare import Comparison, compare, total_pools
from data_select_gym.experiments.results import Run, Summary, summarise
from data_select_gym.experiments.table import make_markdown, make_table

__all__ = ["Comparison", "Run", "Summary", "compare", "make_markdown", "make_table", "summarise", "total_pools"]
