"""Rules that score samples early in the run: by their errors, or by how often they are forgotten."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from data_select_gym.agents.history_rule import UNSEEN, HistoryRule
from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates
from data_select_gym.arguments import check_share
from data_select_gym.signals import Signals


class ScoredEarly(HistoryRule):
    """Keeps a random share early in the run, while it scores samples, and then those with the highest scores."""

    def __init__(self, early: float = 0.25) -> None:
        """Make the rule.

        Args:
            early: share of the run in which a random share is kept, in [0, 1].

        Raises:
            ValueError: ``early`` is out of its range.
        """
        self.early = check_share("early", early, zero=True)

    def score(self, candidates: Candidates) -> Tensor:
        scores = self.final_score(candidates)
        return candidates.random() if candidates.progress < self.early else scores

    @abstractmethod
    def final_score(self, candidates: Candidates) -> Tensor:
        """Scores by the history, for the rest of the run, float ``(P,)``."""


@register_rule("el2n", paper="2107.07075")
class EL2N(ScoredEarly):
    """The highest error norm, averaged over the early part of the run.

    The paper averages over ten networks at one early epoch, this rule over the visits of one network.
    """

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        super().begin(samples, seed, device)
        self.total = torch.zeros(samples, dtype=torch.float32, device=device)
        self.count = torch.zeros(samples, dtype=torch.float32, device=device)

    def update_history(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
        counted = trained & ((progress < self.early) | (self.count[indices] == 0))
        self.total[indices] += torch.where(counted, signals.el2n.nan_to_num(nan=0.0), 0.0)
        self.count[indices] += counted

    def final_score(self, candidates: Candidates) -> Tensor:
        rows = candidates.indices
        return torch.where(self.count[rows] > 0, self.total[rows] / self.count[rows].clamp_min(1), UNSEEN)


@register_rule("forgetting", paper="1812.05159")
class Forgetting(ScoredEarly):
    """The most often forgotten so far: correct at one visit, wrong at the next.

    Samples that were never correct come first. The paper counts over a whole training first, this rule over the visits
    so far. Ties are broken at random.
    """

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        super().begin(samples, seed, device)
        self.forgotten = torch.zeros(samples, dtype=torch.float32, device=device)
        self.was_correct = torch.zeros(samples, dtype=torch.bool, device=device)
        self.ever_correct = torch.zeros(samples, dtype=torch.bool, device=device)

    def update_history(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
        was, correct = self.was_correct[indices], signals.correct
        self.forgotten[indices] += trained & was & ~correct
        self.was_correct[indices] = torch.where(trained, correct, was)
        self.ever_correct[indices] |= trained & correct

    def final_score(self, candidates: Candidates) -> Tensor:
        rows = candidates.indices
        events = torch.where(self.ever_correct[rows], self.forgotten[rows], UNSEEN)
        return events + candidates.random()
