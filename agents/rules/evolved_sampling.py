"""Evolved Sampling: chances by losses and by how they change."""

from __future__ import annotations

import torch
from torch import Tensor

from data_select_gym.agents.history_rule import UNSEEN, HistoryRule
from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, unseen_if_diverged
from data_select_gym.arguments import check_share
from data_select_gym.signals import Signals

# Below the least draw above 0, so that a draw of 0 has a logarithm.
LEAST_DRAW = 2.0**-25


@register_rule("evolved-sampling", paper="2509.23461")
class EvolvedSampling(HistoryRule):
    """Draw with chances in proportion to weights of the loss and its change over time.

    When a sample is trained on with loss l, its weight is w <- beta1 s + (1 - beta1) l, by its score s so far, and then
    s <- beta2 s + (1 - beta2) l. With beta1 < beta2 a loss that has just changed counts for more than in an average.
    The kept are drawn one after the other without replacement, each with a chance in proportion to w among those left,
    and have the loss weight 1. Losses below 0 count as 0.

    The paper takes a forward pass over each candidate batch and updates the scores of all of it. Here a score is
    updated when its sample is trained on, and the first loss of a sample is its first score, so that rarely kept
    samples are not thought easy. The variant with pruning by epoch (ESWP) is left out: a pool is pruned as a whole.
    """

    def __init__(self, beta1: float = 0.2, beta2: float = 0.8) -> None:
        """Make the rule.

        Args:
            beta1: weight of the score in w, in [0, 1].
            beta2: weight of the score in its own update, in [0, 1]. 0.2 and 0.8 are the values that a public review of
                the paper quotes.

        Raises:
            ValueError: one is out of its range.
        """
        self.beta1 = check_share("beta1", beta1, zero=True)
        self.beta2 = check_share("beta2", beta2, zero=True)

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        super().begin(samples, seed, device)
        self.scores = torch.full((samples,), UNSEEN, dtype=torch.float32, device=device)
        self.weights = torch.full((samples,), UNSEEN, dtype=torch.float32, device=device)

    def update_history(self, indices: Tensor, trained: Tensor, signals: Signals, progress: float) -> None:
        before, loss = self.scores[indices], unseen_if_diverged(signals.loss).clamp_min(0)
        known = torch.where(before.isinf(), loss, before)
        weights = self.beta1 * known + (1 - self.beta1) * loss
        scores = self.beta2 * known + (1 - self.beta2) * loss
        self.weights[indices] = torch.where(trained, unseen_if_diverged(weights), self.weights[indices])
        self.scores[indices] = torch.where(trained, unseen_if_diverged(scores), before)

    def score(self, candidates: Candidates) -> Tensor:
        """The Gumbel trick: the k highest of log w + g are such a draw, for standard Gumbel noise g."""
        gumbel = -(-candidates.random().clamp_min(LEAST_DRAW).log()).log()
        return self.weights[candidates.indices].log() + gumbel
