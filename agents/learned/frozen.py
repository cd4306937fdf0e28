"""Trained models as policies that no longer learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents.learned.at_work import deciding
from data_select_gym.agents.learned.one_run import features_of
from data_select_gym.agents.learned.own_wrappers import check_own_wrappers
from data_select_gym.agents.policy import Policy
from data_select_gym.arguments import check_kind
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.features import DEFAULT_FEATURES
from data_select_gym.ledger import Ledger
from data_select_gym.selection import best_share
from data_select_gym.training import Plan


class FrozenPolicy(Policy):
    """A Stable-Baselines3 model that no longer learns.

    It serves any task with the features that it learned from. One that learned in the samplewise view serves any pool
    size; one that learned in the joint view, by masks or scores of whole pools, flat or not, that of its pools. If its
    environment is in a ``VecNormalize``, observations are normalised the same way. A model whose environment has
    another wrapper that changes what it sees or does is refused.

    Attributes:
        model: the model.
        features: that it learned from, in order; None if unknown.
        keep_ratio: the share kept, if it gives scores; that of the environment once a run has begun.
    """

    def __init__(self, model: BaseAlgorithm, *, features: tuple[str, ...] | None = None) -> None:
        """Freeze a model.

        Args:
            model: the model.
            features: that it learned from, in order; None for those of its environment. They are unknown if it has
                none.

        Raises:
            TypeError: ``model`` is not one of Stable-Baselines3.
            ValueError: its environment has a wrapper that changes what it sees or does and would be left out.
        """
        self.model = check_kind("model", model, BaseAlgorithm)
        check_own_wrappers(model)
        self.features = features_of(model.get_env()) if features is None else features
        self.keeps_freely = not isinstance(self.model.action_space, Box)
        self.keep_ratio = 0.5
        self.env: DataSelectEnv | None = None

    def required_config(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
        return {} if self.features is None else {"features": self.features}

    def check(self, env: DataSelectEnv) -> None:
        super().check(env)
        pools, learned = env.observation_space.shape, self.model.observation_space.shape
        if pools is None or learned not in (pools, (math.prod(pools),), pools[1:]):
            raise ValueError(
                f"features={env.features!r} give pools of shape {pools}; the model learned from shape {learned}"
            )
        acts = self.model.action_space
        if learned != pools[1:] and acts.shape != pools[:1]:
            raise ValueError(f"model={self.model!r} gives actions in {acts}; masks or scores of whole pools are needed")

    def unfit_for_loop(self, ledger: Ledger) -> str:
        features = self.features or DEFAULT_FEATURES
        missing = [name for name in ("embedding", "alignment") if name in features and name not in ledger.columns]
        if missing:
            return f"reads the {missing[0]} of samples, which this ledger does not keep"
        wide = ledger.columns["embedding"].shape[1] - 1 if "embedding" in features else 0
        shape, here = self.model.observation_space.shape or (), len(features) + wide
        if shape[-1:] != (here,):
            return f"learned from shape {shape}; features={features!r} give {here} numbers of a sample here"
        return ""

    def start(self, env: DataSelectEnv) -> None:
        self.env, self.keep_ratio = env, env.keep_ratio

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """The model's deterministic actions; if they are scores, the best share is kept.

        Args:
            observation: float32 ``(P, F)``.
        """
        rows = len(observation)
        if self.model.observation_space.shape == (observation.size,):
            observation = observation.reshape(-1)
        normaliser = self.model.get_vec_normalize_env()
        if normaliser is not None:
            observation = normaliser.normalize_obs(observation)  # type: ignore[assignment]
        with deciding(self.model, len(observation)):
            actions, _ = self.model.predict(observation, deterministic=True)
        if self.keeps_freely:
            return actions
        scores = torch.from_numpy(actions.reshape(rows))
        return (best_share(scores, self.keep_ratio) if self.env is None else self.env.keep_best(scores)).numpy()
