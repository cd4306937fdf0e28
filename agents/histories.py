"""Rules that keep a history of their own of every sample."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from data_select_gym.agents.rules import Candidates, Rule, unseen_if_diverged
from data_select_gym.arguments import check_least, check_share
from data_select_gym.selection import best_count, kept_count

# What a sample that was never trained on scores: it comes first.
UNSEEN = torch.inf


class HistoryRule(Rule):
    """Brings its history of a sample up to date when the sample is shown and was trained on since it was last shown."""

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        """See :meth:`Rule.begin`."""
        super().begin(samples, seed, device)
        self.seen = torch.zeros(samples, dtype=torch.int32, device=device)

    def choose(self, candidates: Candidates) -> Tensor:
        """See :meth:`Rule.choose`."""
        trained = candidates.visits > self.seen[candidates.indices]
        self.seen[candidates.indices] = candidates.visits
        return self.judge(candidates, trained)

    @abstractmethod
    def judge(self, candidates: Candidates, trained: Tensor) -> Tensor:
        """Update the history where ``trained``, bool ``(P,)``, and choose as :meth:`Rule.choose` does."""


class EpsilonGreedy(HistoryRule):
    """The highest moving average of the loss, but a share epsilon of the budget at random (arXiv 2111.12621).

    s <- (1 - alpha) s + alpha l whenever a sample was trained on. The paper leaves alpha and epsilon open.
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
        """See :meth:`Rule.begin`."""
        super().begin(samples, seed, device)
        self.average = torch.full((samples,), UNSEEN, device=device)

    def judge(self, candidates: Candidates, trained: Tensor) -> Tensor:
        """See :meth:`HistoryRule.judge`."""
        before, loss = self.average[candidates.indices], candidates.signals.loss
        moved = torch.where(before.isinf(), loss, (1 - self.alpha) * before + self.alpha * loss)
        scores = unseen_if_diverged(torch.where(trained, moved, before))
        self.average[candidates.indices] = scores
        kept = kept_count(len(scores), candidates.keep_ratio)
        greedy = best_count(scores, kept - round(self.epsilon * kept), candidates.labels)
        return candidates.best(greedy + candidates.random())


class UCB(HistoryRule):
    """The highest upper confidence bound m + c v of the loss (arXiv 2111.12621).

    v <- (1 - alpha) v + alpha (l - m)^2 and then m <- (1 - alpha) m + alpha l whenever a sample was trained on. The
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
        """See :meth:`Rule.begin`."""
        super().begin(samples, seed, device)
        self.mean = torch.full((samples,), UNSEEN, device=device)
        self.variance = torch.zeros(samples, device=device)

    def judge(self, candidates: Candidates, trained: Tensor) -> Tensor:
        """See :meth:`HistoryRule.judge`."""
        rows, loss = candidates.indices, candidates.signals.loss
        mean, variance = self.mean[rows], self.variance[rows]
        first = mean.isinf()
        new_variance = torch.where(first, 0.0, (1 - self.alpha) * variance + self.alpha * (loss - mean).square())
        new_mean = torch.where(first, loss, (1 - self.alpha) * mean + self.alpha * loss)
        self.mean[rows] = unseen_if_diverged(torch.where(trained, new_mean, mean))
        self.variance[rows] = torch.where(trained & new_variance.isfinite(), new_variance, variance)
        return candidates.best(self.mean[rows] + self.c * self.variance[rows])


class ScoredEarly(HistoryRule):
    """Scores samples early in the run, while a random share is kept, and then keeps those that score highest."""

    def __init__(self, early: float = 0.25) -> None:
        """Make the rule.

        Args:
            early: share of the run in which a random share is kept, in [0, 1].

        Raises:
            ValueError: ``early`` is out of its range.
        """
        self.early = check_share("early", early, zero=True)

    def judge(self, candidates: Candidates, trained: Tensor) -> Tensor:
        """See :meth:`HistoryRule.judge`."""
        scores = self.score(candidates, trained)
        chosen_by = candidates.random() if candidates.progress < self.early else scores
        return candidates.best(chosen_by)

    @abstractmethod
    def score(self, candidates: Candidates, trained: Tensor) -> Tensor:
        """Update the history where ``trained``, bool ``(P,)``; scores, float ``(P,)``."""


class EL2N(ScoredEarly):
    """The highest norm of prediction minus label, averaged over the early part of the run (arXiv 2107.07075).

    The paper averages over ten networks at one early epoch; here it is over the visits of one network.
    """

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        """See :meth:`Rule.begin`."""
        super().begin(samples, seed, device)
        self.total = torch.zeros(samples, device=device)
        self.count = torch.zeros(samples, device=device)

    def score(self, candidates: Candidates, trained: Tensor) -> Tensor:
        """See :meth:`ScoredEarly.score`."""
        rows = candidates.indices
        counted = trained & ((candidates.progress < self.early) | (self.count[rows] == 0))
        self.total[rows] += torch.where(counted, candidates.signals.el2n.nan_to_num(nan=0.0), 0.0)
        self.count[rows] += counted
        return torch.where(self.count[rows] > 0, self.total[rows] / self.count[rows].clamp_min(1), UNSEEN)


class Forgetting(ScoredEarly):
    """The most often forgotten: correct at one visit, wrong at the next; never correct is most (arXiv 1812.05159).

    The paper counts over a whole training first; here it is over the visits so far. Ties are broken at random.
    """

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        """See :meth:`Rule.begin`."""
        super().begin(samples, seed, device)
        self.forgotten = torch.zeros(samples, device=device)
        self.was_correct = torch.zeros(samples, dtype=torch.bool, device=device)
        self.ever_correct = torch.zeros(samples, dtype=torch.bool, device=device)

    def score(self, candidates: Candidates, trained: Tensor) -> Tensor:
        """See :meth:`ScoredEarly.score`."""
        rows, correct = candidates.indices, candidates.signals.correct
        self.forgotten[rows] += trained & self.was_correct[rows] & ~correct
        self.was_correct[rows] = torch.where(trained, correct, self.was_correct[rows])
        self.ever_correct[rows] |= trained & correct
        events = torch.where(self.ever_correct[rows], self.forgotten[rows], UNSEEN)
        return events + candidates.random()
