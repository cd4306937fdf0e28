"""The lowest losses."""

from __future__ import annotations

from torch import Tensor

from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, Rule, unseen_if_diverged


@register_rule("low-loss", paper="Co-teaching, arXiv 1804.06872")
class LowLoss(Rule):
    """The share with the lowest recorded loss, for noisy labels."""

    def choose(self, candidates: Candidates) -> Tensor:
        return candidates.best(-unseen_if_diverged(candidates.signals.loss))
