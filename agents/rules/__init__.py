"""Rules: policies that choose by a formula. Each module registers its own, by name."""

from __future__ import annotations

from typing import Any

from data_select_gym.agents.history_rule import HistoryRule
from data_select_gym.agents.registry import RULES
from data_select_gym.agents.rule import Candidates, Rule

__all__ = ["Candidates", "HistoryRule", "Rule"]


def __getattr__(name: str) -> Any:
    """The class of a registered rule, such as ``TopLoss``."""
    if not name.startswith("_"):
        for rule in RULES.values():
            if rule.__name__ == name:
                return rule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
