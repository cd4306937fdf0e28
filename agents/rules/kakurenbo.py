"""KAKURENBO: hide what is learned."""

from __future__ import annotations

import torch
from torch import Tensor

from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, Rule, unseen_if_diverged
from data_select_gym.arguments import check_share
from data_select_gym.selection import kept_count

# Up to which share of the run, and which part of the largest hidden share may be hidden until then: the schedule of the
# authors' code for CIFAR-100, which changes with the learning rate at epochs 60, 120 and 160 of 200.
SCHEDULE = ((0.3, 1.0), (0.6, 0.8), (0.8, 0.6), (1.0, 0.4))


@register_rule("kakurenbo", paper="2310.10102")
class Kakurenbo(Rule):
    """Hide low losses that are predicted right with confidence, fewer of them as the run goes on.

    The a F P lowest recorded losses of P candidates may be hidden. F is 1 - keep ratio, and a falls from 1 to 0.8, 0.6
    and 0.4 after 30%, 60% and 80% of the run. Of these, the samples that are predicted right with confidence of at
    least tau are hidden, and the others are moved back. What is kept is drawn at random from all that is not hidden, so
    that the keep ratio is held.

    It differs from the paper in four points. The paper hides in each epoch, this rule in each pool. The paper hides at
    most F and trains on all others, so that its cost depends on the task; here what is missing to F is dropped at
    random. The paper raises the learning rate by 1 / (1 - F) to make up for missing updates; here the recipe is the
    same for all policies. The paper takes a forward pass over the hidden samples after each epoch; here a hidden sample
    keeps its old record until it is trained on again. ``observe="fresh"`` takes a forward pass over each pool before
    the choice and is closest to the paper, for a third of the cost of training on the pool. Without classes nothing is
    predicted right, and the rule is ``random``.
    """

    def __init__(self, tau: float = 0.7) -> None:
        """Make the rule.

        Args:
            tau: the least confidence of a hidden sample, in [0, 1]; the paper has 0.7.

        Raises:
            ValueError: ``tau`` is out of its range.
        """
        self.tau = check_share("tau", tau, zero=True)

    def choose(self, candidates: Candidates) -> Tensor:
        signals = candidates.signals
        dropped = len(signals) - kept_count(len(signals), candidates.keep_ratio)
        part = next(part for until, part in SCHEDULE if candidates.progress < until or until == 1)
        order = unseen_if_diverged(signals.loss).argsort(stable=True)
        places = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        low = places < round(part * dropped)
        hidden = low & signals.correct & (signals.confidence >= self.tau)
        return candidates.best(torch.where(hidden, -1.0, candidates.random()))
