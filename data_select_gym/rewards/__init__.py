"""Rewards for the samples that a step keeps: tensors in, tensors out."""

from data_select_gym.deprecation import deprecated_names
from data_select_gym.rewards.factory import WeightedSum, make_reward
from data_select_gym.rewards.price import Price
from data_select_gym.rewards.registry import REWARDS, register_reward
from data_select_gym.rewards.reward import Reward, StepOutcome
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
from data_select_gym.rewards.score_rewards import KeptScore, MinibatchScore, PricedScore, score_of
from data_select_gym.rewards.validation_gain import ValidationGain

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
    "register_reward",
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
