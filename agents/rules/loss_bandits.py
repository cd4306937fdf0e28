"""Bandits on a moving average of the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from data_select_gym.agents.history_rule import UNSEEN, HistoryRule
from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, unseen_if_diverged
from data_select_gym.arguments import check_least, check_share
from data_select_gym.selection import best_count, kept_count
from data_select_gym.signals import Signals


@register_rule("epsilon-greedy", paper="2111.12621")
class EpsilonGreedy(HistoryRule):
    """The highest moving average of the loss, and a share epsilon of the budget at random.

    s <- (1 - alpha) s + alpha l whenever a sample is trained on. The paper leaves alpha and epsilon open.
    """

    def __init__(self, epsilon: float = 0.1, alpha: float = 0.3) -> None:
        """Make the rule.

        Args:
            epsilon: share of the kept that is drawn at random, in [0, 1].
            alpha: weight of the newest loss, in (0, 1].

        Raises:
            ValueError: one is out of its range.
        """
        self.epsilon = check_share("epsilon", epsilon, zero=True)
        self.alpha = check_share("alpha", alpha)

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        super().begin(samples, seed, device)
        self.average = torch.full((samples,), UNSEEN, dtype=torch.float32, device=device)

    def update_history(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
        before, loss = self.average[indices], signals.loss
        moved = torch.where(before.isinf(), loss, (1 - self.alpha) * before + self.alpha * loss)
        self.average[indices] = unseen_if_diverged(torch.where(trained, moved, before))

    def score(self, candidates: Candidates) -> Tensor:
        scores = self.average[candidates.indices]
        kept = kept_count(len(scores), candidates.keep_ratio)
        greedy = best_count(scores, kept - round(self.epsilon * kept), candidates.labels)
        return greedy + candidates.random()


@register_rule("ucb", paper="2111.12621")
class UCB(HistoryRule):
    """The highest upper confidence bound m + c v of the loss.

    v <- (1 - alpha) v + alpha (l - m)^2 and then m <- (1 - alpha) m + alpha l whenever a sample is trained on. The
    paper leaves alpha and c open.
    """

    def __init__(self, c: float = 1.0, alpha: float = 0.3) -> None:
        """Make the rule.

        Args:
            c: weight of the variance, at least 0.
            alpha: weight of the newest loss, in (0, 1].

        Raises:
            ValueError: one is out of its range.
        """
        self.c = check_least("c", c, 0)
        self.alpha = check_share("alpha", alpha)

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        super().begin(samples, seed, device)
        self.mean = torch.full((samples,), UNSEEN, dtype=torch.float32, device=device)
        self.variance = torch.zeros(samples, dtype=torch.float32, device=device)

    def update_history(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
        mean, variance, loss = self.mean[indices], self.variance[indices], signals.loss
        first = mean.isinf()
        new_variance = torch.where(first, 0.0, (1 - self.alpha) * variance + self.alpha * (loss - mean).square())
        new_mean = torch.where(first, loss, (1 - self.alpha) * mean + self.alpha * loss)
        self.mean[indices] = unseen_if_diverged(torch.where(trained, new_mean, mean))
        self.variance[indices] = torch.where(trained & new_variance.isfinite(), new_variance, variance)

    def score(self, candidates: Candidates) -> Tensor:
        rows = candidates.indices
        return self.mean[rows] + self.c * self.variance[rows]
