"""Rewards for the samples that a step keeps: tensors in, tensors out."""

from data_select_gym.deprecation import deprecated_names
from data_select_gym.rewards.reward import (
    REWARDS,
    KeptScore,
    MinibatchScore,
    Price,
    PricedScore,
    Reward,
    StepOutcome,
    ValidationGain,
    WeightedSum,
    make_reward,
    score_of,
)
from data_select_gym.rewards.sample_scores import (
    SAMPLE_SCORES,
    SampleScore,
    alignment,
    composite,
    difficulty,
    finite_loss,
    rank,
    scaled_loss,
    uncertainty,
)

__all__ = [
    "REWARDS",
    "SAMPLE_SCORES",
    "KeptScore",
    "MinibatchScore",
    "Price",
    "PricedScore",
    "Reward",
    "SampleScore",
    "StepOutcome",
    "ValidationGain",
    "WeightedSum",
    "alignment",
    "composite",
    "difficulty",
    "finite_loss",
    "make_reward",
    "rank",
    "scaled_loss",
    "score_of",
    "uncertainty",
]

__getattr__ = deprecated_names(
    __name__,
    {
        "PoolOutcome": "StepOutcome",
        "QUALITIES": "SAMPLE_SCORES",
        "Quality": "SampleScore",
        "KeptQuality": "KeptScore",
        "MinibatchQuality": "MinibatchScore",
        "PricedQuality": "PricedScore",
        "quality_of": "score_of",
    },
)
