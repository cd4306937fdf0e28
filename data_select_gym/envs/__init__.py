"""Environments: the Gymnasium and Stable-Baselines3 faces of a training run."""

import data_select_gym.drawing  # noqa: F401  (before Stable-Baselines3 imports matplotlib)
from data_select_gym.envs.env import DataSelectEnv
from data_select_gym.envs.features import register_feature
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.envs.sb3 import SamplewiseVecEnv
from data_select_gym.envs.slots import make_joint
from data_select_gym.envs.vector import SamplewiseVectorEnv
from data_select_gym.envs.wrappers import KeepRatioChoice, ScoreAction

__all__ = [
    "DataSelectEnv",
    "KeepRatioChoice",
    "PoolView",
    "SamplewiseVecEnv",
    "SamplewiseVectorEnv",
    "ScoreAction",
    "make_joint",
    "register_feature",
]
