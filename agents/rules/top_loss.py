"""The highest losses."""

from __future__ import annotations

from torch import Tensor

from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, Rule, unseen_if_diverged


@register_rule("top-loss", paper="OHEM, arXiv 1604.03540")
class TopLoss(Rule):
    """The share with the highest recorded loss."""

    def choose(self, candidates: Candidates) -> Tensor:
        return candidates.best(unseen_if_diverged(candidates.signals.loss))
