"""Charts: the sections of a comparison's page. Each module of this room registers its own."""

from data_select_gym.experiments.charts.registry import (
    CHARTS,
    ChartWarning,
    Results,
    Section,
    make_sections,
    register_chart,
)
from data_select_gym.experiments.charts.small_multiples import SmallMultiples, small_multiples
from data_select_gym.experiments.charts.tables import HeatRow, HeatTable, StripRow, StripTable

__all__ = [
    "CHARTS",
    "ChartWarning",
    "HeatRow",
    "HeatTable",
    "Results",
    "Section",
    "SmallMultiples",
    "StripRow",
    "StripTable",
    "make_sections",
    "register_chart",
    "small_multiples",
]
