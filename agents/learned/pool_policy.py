"""A policy over whole pools, for the joint view: one network for all rows, which sees the pool as its mean."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import BernoulliDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, MlpExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn


class RowsInPool(BaseFeaturesExtractor):
    """Each row with the mean of its pool: from ``(n, P, F)`` to ``(n, P, 2 F)``."""

    def __init__(self, observation_space: spaces.Box) -> None:
        """Take the F of ``observation_space``, a ``Box`` of shape ``(P, F)``."""
        super().__init__(observation_space, features_dim=2 * observation_space.shape[1])

    def forward(self, observations: Tensor) -> Tensor:
        """Of observations, float ``(n, P, F)``."""
        mean = observations.mean(dim=1, keepdim=True)
        return torch.cat([observations, mean.expand_as(observations)], dim=2)


class RowsMlp(MlpExtractor):
    """Layers applied to each row; those of the critic are averaged over the pool."""

    def forward_critic(self, features: Tensor) -> Tensor:
        """For the critic, from ``(n, P, 2 F)`` to ``(n, latent_dim_vf)``."""
        return super().forward_critic(features).mean(dim=1)


class RowsBernoulli(BernoulliDistribution):
    """A coin for each row, with logits from one head for all."""

    def proba_distribution_net(self, latent_dim: int) -> nn.Module:
        """From ``(n, P, latent_dim)`` to logits ``(n, P)``."""
        return nn.Sequential(nn.Linear(latent_dim, 1), nn.Flatten(1))


class PoolPolicy(ActorCriticPolicy):
    """For PPO and A2C, and TRPO of sb3-contrib, that act on a whole pool by a mask, ``MultiBinary(P)``.

    The log-probability of a mask is a sum over the pool. A network with separate weights for each place in the pool has
    P times as much to learn from the same reward. Here all rows share the weights, which do not depend on P.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        **options: Any,
    ) -> None:
        """Build the networks.

        Args:
            observation_space: of a pool, a ``Box`` of shape ``(P, F)``.
            action_space: ``MultiBinary(P)``.
            lr_schedule: learning rate by the share of timesteps that remains.
            options: of ``ActorCriticPolicy``; a ``features_extractor_class`` is one from observations ``(n, P, F)`` to
                features of rows, ``(n, P, features_dim)``.

        Raises:
            ValueError: the spaces are not those of the joint view.
        """
        shape = observation_space.shape if isinstance(observation_space, spaces.Box) else ()
        if len(shape) != 2 or action_space != spaces.MultiBinary(shape[0]):
            raise ValueError(
                f"observation_space={observation_space!r} and action_space={action_space!r} are not those of a pool; "
                "a Box of shape (P, F) and MultiBinary(P) are needed, as gym.make gives"
            )
        options = {"features_extractor_class": RowsInPool} | options
        super().__init__(observation_space, action_space, lr_schedule, **options)

    def _build(self, lr_schedule: Schedule) -> None:
        self.action_dist = RowsBernoulli(get_action_dim(self.action_space))
        super()._build(lr_schedule)

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = RowsMlp(self.features_dim, self.net_arch, self.activation_fn, self.device)
