"""The fall of the validation loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from data_select_gym.rewards.registry import register_reward
from data_select_gym.rewards.reward import Reward, StepOutcome


@dataclass(frozen=True)
class ValidationGain(Reward):
    """r_i = (L - L') / k for every candidate: the fall of the validation loss in the step, over the share kept.

    L and L' are the mean losses on one batch of the validation set before and after the step. The fall is 0 if a
    diverged model gives none.
    """

    needs: frozenset[str] = frozenset({"validation_gain"})

    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]:
        if outcome.validation_gain is None:
            raise ValueError(
                "the outcome holds no validation_gain; a TrainingRun measures it with validation_gain=True"
            )
        share = outcome.kept.float().mean()
        fall = outcome.validation_gain.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        gain = torch.where(share > 0, fall / share, 0.0)
        return gain.expand(len(outcome.kept)), {"gain": fall}


register_reward(
    "validation-gain",
    description="fall of the validation loss by the step over the share that was kept, the same for all candidates",
)(ValidationGain())
