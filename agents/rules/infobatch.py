"""InfoBatch."""

from __future__ import annotations

import torch
from torch import Tensor

from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, Rule
from data_select_gym.arguments import check_part
from data_select_gym.rewards import finite_loss

# A sample kept with a hundredth of the chance would have a hundred times the weight.
LARGEST_PRUNE_RATIO = 0.9


@register_rule("infobatch", paper="2303.04947")
class InfoBatch(Rule):
    """Drop at random below the mean loss, and weight the rest of those up.

    A candidate below the pool's mean recorded loss is dropped with probability r, and has weight 1 / (1 - r) if it is
    kept. All others are kept with weight 1. The paper's r is fixed and holds no budget. Without one, r is chosen for
    each pool to hold the keep ratio, up to 0.9.
    """

    def __init__(self, prune_ratio: float | None = None) -> None:
        """Make the rule.

        Args:
            prune_ratio: r, in [0, 1); None to hold the keep ratio.

        Raises:
            ValueError: ``prune_ratio`` is out of its range.
        """
        self.prune_ratio = None if prune_ratio is None else check_part("prune_ratio", prune_ratio)

    def choose(self, candidates: Candidates) -> Tensor:
        """Loss weights, float ``(P,)``; exactly the share r of the low losses is dropped."""
        losses = finite_loss(candidates.signals.loss)
        low = losses < losses.mean()
        count = low.sum(dtype=torch.float32)
        if self.prune_ratio is None:
            surplus = (1 - candidates.keep_ratio) * len(losses)
            ratio = (surplus / count.clamp_min(1)).clamp_max(LARGEST_PRUNE_RATIO)
        else:
            ratio = torch.full_like(losses[0], self.prune_ratio)
        place = torch.where(low, candidates.random(), -1.0).argsort(descending=True).argsort()
        kept_low = count - (ratio * count).round()
        return torch.where(low, (place < kept_low) / (1 - ratio), 1.0)
