"""Features: the columns of an observation, one row a candidate. Each module registers its own."""

from data_select_gym.envs.features.observation import observation_space, observe
from data_select_gym.envs.features.registry import (
    DEFAULT_FEATURES,
    FEATURES,
    Feature,
    check_features,
    find_feature,
    register_feature,
)

__all__ = [
    "DEFAULT_FEATURES",
    "FEATURES",
    "Feature",
    "check_features",
    "find_feature",
    "observation_space",
    "observe",
    "register_feature",
]
