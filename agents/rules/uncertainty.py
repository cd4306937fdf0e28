"""The least certain predictions."""

from __future__ import annotations

from torch import Tensor

from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, Rule


@register_rule("uncertainty")
class Uncertainty(Rule):
    """The share with the highest entropy."""

    def choose(self, candidates: Candidates) -> Tensor:
        return candidates.best(candidates.signals.uncertainty.nan_to_num(nan=1.0))
