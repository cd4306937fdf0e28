"""Experiments: policies compared over seeds."""

from data_select_gym.deprecation import deprecated_names
from data_select_gym.experiments.compare import ComparisonResult, compare
from data_select_gym.experiments.comparison_spec import Comparison
from data_select_gym.experiments.results import Failure, RunRecord
from data_select_gym.experiments.run_key import RunKey
from data_select_gym.experiments.statistics import Summary, summarise
from data_select_gym.experiments.table import make_markdown, make_table

__all__ = [
    "Comparison",
    "ComparisonResult",
    "Failure",
    "RunKey",
    "RunRecord",
    "Summary",
    "compare",
    "make_markdown",
    "make_table",
    "summarise",
]

__getattr__ = deprecated_names(__name__, {"Outcome": "ComparisonResult", "Run": "RunRecord"})
