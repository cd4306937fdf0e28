"""Environments: the Gymnasium and Stable-Baselines3 faces of a training run."""

import data_select_gym.matplotlib_backend  # noqa: F401  (before Stable-Baselines3 imports matplotlib)
from data_select_gym.deprecation import deprecated_names
from data_select_gym.envs.callbacks import EnvCallback
from data_select_gym.envs.config import EnvConfig
from data_select_gym.envs.env import DataSelectEnv
from data_select_gym.envs.features import register_feature
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.envs.sb3 import SamplewiseVecEnv
from data_select_gym.envs.slots import as_base_env
from data_select_gym.envs.vector import SamplewiseVectorEnv
from data_select_gym.envs.wrappers import KeepRatioChoice, ScoreAction

__all__ = [
    "DataSelectEnv",
    "EnvCallback",
    "EnvConfig",
    "KeepRatioChoice",
    "PoolView",
    "SamplewiseVecEnv",
    "SamplewiseVectorEnv",
    "ScoreAction",
    "as_base_env",
    "register_feature",
]

__getattr__ = deprecated_names(__name__, {"make_joint": "as_base_env"})
