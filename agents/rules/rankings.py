"""Rules that rank the candidates by what is recorded of them."""

from __future__ import annotations

import torch
from torch import Tensor

from data_select_gym.agents.rules.rule import Candidates, Rule, Unseeing, unseen_if_diverged
from data_select_gym.arguments import check_least
from data_select_gym.rewards import finite_loss, rank
from data_select_gym.selection import kept_count


class StaticRandom(Unseeing):
    """One random subset for the whole run; what is not in it is seen only in the epochs that train on all data."""

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        """See :meth:`Rule.begin`."""
        super().begin(samples, seed, device)
        self.order = torch.randperm(samples, generator=self.generator).to(device)

    def choose(self, candidates: Candidates) -> Tensor:
        """See :meth:`Rule.choose`; the subset is the same however the pools are cut, so the share varies by pool."""
        return self.order[candidates.indices] < kept_count(len(self.order), candidates.keep_ratio)


class LowLoss(Rule):
    """The share with the lowest recorded loss, for noisy labels (Co-teaching, arXiv 1804.06872)."""

    def choose(self, candidates: Candidates) -> Tensor:
        """See :meth:`Rule.choose`."""
        return candidates.best(-unseen_if_diverged(candidates.signals.loss))


class Uncertainty(Rule):
    """The share with the highest entropy."""

    def choose(self, candidates: Candidates) -> Tensor:
        """See :meth:`Rule.choose`."""
        return candidates.best(candidates.signals.uncertainty.nan_to_num(nan=1.0))


class Margin(Rule):
    """The share with the smallest margin between the label and the likeliest other class."""

    def choose(self, candidates: Candidates) -> Tensor:
        """See :meth:`Rule.choose`."""
        return candidates.best(-candidates.signals.margin.nan_to_num(nan=-1.0))


class SelectiveBackprop(Rule):
    """Keep each with probability (position of its loss among the pool's) ** beta (arXiv 1910.00762).

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
        """See :meth:`Rule.choose`."""
        losses = finite_loss(candidates.signals.loss)
        beta = 1 / candidates.keep_ratio - 1 if self.beta is None else self.beta
        return candidates.random() < rank(losses) ** beta
