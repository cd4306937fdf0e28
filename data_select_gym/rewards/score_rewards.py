"""Rewards made of a score of each sample, such as its difficulty."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from data_select_gym.deprecation import warn_renamed
from data_select_gym.rewards.registry import register_reward
from data_select_gym.rewards.reward import NEEDS, Reward, StepOutcome
from data_select_gym.rewards.sample_scores import SAMPLE_SCORES, SampleScore, composite, rank


@dataclass(frozen=True)
class ScoreReward(Reward):
    """Base of the rewards that pay a score of each sample.

    Attributes:
        sample_score: what is paid for.
        needs: what must be measured on the validation set for it.
    """

    sample_score: SampleScore
    needs: frozenset[str] = frozenset()

    @property
    def quality(self) -> SampleScore:
        """The score, by its name of version 0.1."""
        warn_renamed(f"{type(self).__name__}.quality", f"{type(self).__name__}.sample_score")
        return self.sample_score

    @property
    def scored(self) -> str:
        """The name of the score."""
        name: str = getattr(self.sample_score, "__name__", type(self.sample_score).__name__)
        return name


@dataclass(frozen=True)
class KeptScore(ScoreReward):
    """r_i = a_i q_i: the score of what was kept, Data Agent's reward before its normalisation.

    The reference of the score is the whole pool's recorded signals.
    """

    @property
    def description(self) -> str:
        """A line for lists."""
        return f"{self.scored} of what is kept, judged against the pool"

    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]:
        quality, parts = self.sample_score(outcome.recorded)(outcome.fresh)
        terms = {name: outcome.mean_over_kept(part) for name, part in parts.items()}
        return outcome.action * quality, terms | {"quality": outcome.mean_over_kept(quality)}


@dataclass(frozen=True)
class MinibatchScore(ScoreReward):
    """r_i = a_i q_i, where the reference of q is each training minibatch, as in Data Agent (arXiv 2603.07433)."""

    @property
    def description(self) -> str:
        """A line for lists."""
        return f"{self.scored} of what is kept, judged against its minibatch, as in Data Agent's paper"

    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]:
        reward = torch.zeros_like(outcome.action)
        _, parts = self.sample_score(outcome.recorded)(outcome.recorded)
        collected = {name: torch.zeros((), dtype=torch.float32, device=reward.device) for name in (*parts, "quality")}
        trained = sum(len(positions) for positions in outcome.minibatches)
        for positions in outcome.minibatches:
            own = outcome.fresh.rows(positions)
            quality, parts = self.sample_score(own)(own)
            reward[positions] = outcome.action[positions] * quality
            for name, part in (parts | {"quality": quality}).items():
                collected[name] = collected[name] + part.mean() * (len(positions) / trained)
        return reward, collected


@dataclass(frozen=True)
class PricedScore(ScoreReward):
    """r_i = keep_i (rank(q_i) - c): keeping pays if the score's rank in the pool exceeds the price c.

    Only what the action chose to keep is paid and charged.

    The rank is the position of the fresh q_i among the pool's recorded scores. Ranks and a moving price hold the
    budget. A price on the raw score does not, since scores are skewed: most samples are easy, and keeping them all
    would cost next to nothing.
    """

    @property
    def description(self) -> str:
        """A line for lists."""
        return f"rank of the {self.scored} of what is kept among the pool's, less the price"

    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]:
        score = self.sample_score(outcome.recorded)
        (recorded, _), (quality, parts) = score(outcome.recorded), score(outcome.fresh)
        position = rank(quality, recorded)
        terms = {name: outcome.mean_over_kept(part) for name, part in parts.items()}
        terms |= {"quality": outcome.mean_over_kept(quality), "rank": outcome.mean_over_kept(position)}
        chosen = outcome.kept if outcome.chosen is None else outcome.chosen
        return torch.where(chosen, position - outcome.price, 0.0), terms


def needs_of(score: str) -> frozenset[str]:
    """What a score, by name, needs from the validation set."""
    return frozenset(NEEDS) & {score}


def score_of(reward: Reward) -> SampleScore:
    """The score that a reward pays; the composite for rewards that are made of no single one."""
    return reward.sample_score if isinstance(reward, ScoreReward) else composite


for name, score in SAMPLE_SCORES.items():
    register_reward(name)(KeptScore(score, needs_of(name)))
for name, score in SAMPLE_SCORES.items():
    register_reward(f"priced-{name}")(PricedScore(score, needs_of(name)))
register_reward("minibatch-composite", paper="2603.07433")(MinibatchScore(composite))
