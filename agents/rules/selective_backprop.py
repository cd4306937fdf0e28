"""Selective-Backprop."""

from __future__ import annotations

from torch import Tensor

from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, Rule
from data_select_gym.arguments import check_least
from data_select_gym.rewards import finite_loss, rank


@register_rule("selective-backprop", paper="1910.00762")
class SelectiveBackprop(Rule):
    """Keep each with probability (position of its loss in the pool) ** beta.

    The paper takes positions among the last 1,024 losses that it computed. The expected share is 1 / (1 + beta).
    """

    def __init__(self, beta: float | None = None) -> None:
        """Make the rule.

        Args:
            beta: at least 0; if None, the one whose expected share is the keep ratio.

        Raises:
            ValueError: ``beta`` is negative or not finite.
        """
        self.beta = None if beta is None else check_least("beta", beta, 0)

    def choose(self, candidates: Candidates) -> Tensor:
        losses = finite_loss(candidates.signals.loss)
        beta = 1 / candidates.keep_ratio - 1 if self.beta is None else self.beta
        return candidates.random() < rank(losses) ** beta
