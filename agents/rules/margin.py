"""The smallest margins."""

from __future__ import annotations

from torch import Tensor

from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, Rule


@register_rule("margin")
class Margin(Rule):
    """The share with the smallest margin between the label and the likeliest other class."""

    def choose(self, candidates: Candidates) -> Tensor:
        return candidates.best(-candidates.signals.margin.nan_to_num(nan=-1.0))
