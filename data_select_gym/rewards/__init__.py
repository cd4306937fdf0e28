"""Rewards for the samples that a step keeps: tensors in, tensors out."""

from data_select_gym.rewards.quality import (
    QUALITIES,
    Quality,
    alignment,
    composite,
    difficulty,
    finite_loss,
    rank,
    scaled_loss,
    uncertainty,
)
from data_select_gym.rewards.reward import (
    REWARDS,
    KeptQuality,
    MinibatchQuality,
    PoolOutcome,
    Price,
    PricedQuality,
    Reward,
    ValidationGain,
    WeightedSum,
    make_reward,
    quality_of,
)

__all__ = [
    "QUALITIES",
    "REWARDS",
    "KeptQuality",
    "MinibatchQuality",
    "PoolOutcome",
    "Price",
    "PricedQuality",
    "Quality",
    "Reward",
    "ValidationGain",
    "WeightedSum",
    "alignment",
    "composite",
    "difficulty",
    "finite_loss",
    "make_reward",
    "quality_of",
    "rank",
    "scaled_loss",
    "uncertainty",
]
