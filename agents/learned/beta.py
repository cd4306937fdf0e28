"""A Beta policy for Stable-Baselines3's actor-critic algorithms, for actions in ``Box(0, 1)``.

Data Agent's actor and critic (arXiv 2603.07433): alpha = softplus(.) + 1 and beta = softplus(.) + 1, so that the
density has a single peak within (0, 1). Stable-Baselines3 has no hook for a custom distribution, so the policy
replaces what its parent builds.
"""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution, sum_independent_dims
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import MlpExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from data_select_gym.arguments import check_count

INSIDE = 1e-6
HEAD_GAIN = 0.01
PRIOR_STRENGTH = 30.0

Self = TypeVar("Self", bound="BetaDistribution")


class BetaDistribution(Distribution):
    """Independent Beta distributions over the dimensions of an action in (0, 1).

    ``mode()``, which Stable-Baselines3 takes for a deterministic action, is the mean: the true mode sits on 0 or 1 long
    before the distribution is narrow.
    """

    distribution: torch.distributions.Beta

    def __init__(self, action_dim: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.action_dim = action_dim

    def proba_distribution_net(self, latent_dim: int) -> nn.Linear:
        """A layer from the actor's last features ``(n, latent_dim)`` to parameters ``(n, 2 action_dim)``."""
        return nn.Linear(latent_dim, 2 * self.action_dim)

    def proba_distribution(self: Self, parameters: Tensor) -> Self:
        """Set the distribution from parameters ``(n, 2 action_dim)``."""
        alpha, beta = (F.softplus(parameters) + 1).chunk(2, dim=1)
        self.distribution = torch.distributions.Beta(alpha, beta)
        return self

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-density of actions ``(n, action_dim)``, as ``(n,)``."""
        inside = actions.clamp(INSIDE, 1 - INSIDE)
        return sum_independent_dims(self.distribution.log_prob(inside))  # type: ignore[no-untyped-call]

    def entropy(self) -> Tensor:
        """Differential entropy, ``(n,)``."""
        return sum_independent_dims(self.distribution.entropy())  # type: ignore[no-untyped-call]

    def sample(self) -> Tensor:
        """Actions drawn, ``(n, action_dim)``, within (0, 1)."""
        return self.distribution.rsample().clamp(INSIDE, 1 - INSIDE)

    def mode(self) -> Tensor:
        """The mean, ``(n, action_dim)``."""
        return self.distribution.mean

    def actions_from_params(self, parameters: Tensor, deterministic: bool = False) -> Tensor:
        """Actions from parameters ``(n, 2 action_dim)``."""
        return self.proba_distribution(parameters).get_actions(deterministic=deterministic)

    def log_prob_from_params(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Actions drawn from parameters ``(n, 2 action_dim)``, and their log-density."""
        actions = self.actions_from_params(parameters)
        return actions, self.log_prob(actions)


class WithColumn(nn.Module):
    """Layers of an actor and a critic, and one column of their input beside what comes out for the actor.

    Attributes:
        latent_dim_pi: width for the actor.
        latent_dim_vf: width for the critic.
    """

    def __init__(self, layers: MlpExtractor, column: int) -> None:
        super().__init__()
        self.layers = layers
        self.column = column
        self.latent_dim_pi, self.latent_dim_vf = layers.latent_dim_pi + 1, layers.latent_dim_vf

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """For actor and critic, from ``(n, F)``."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: Tensor) -> Tensor:
        """For the actor, ``(n, latent_dim_pi)``; the last column is that of the input."""
        return torch.cat([self.layers.forward_actor(features), features[:, self.column, None]], dim=1)

    def forward_critic(self, features: Tensor) -> Tensor:
        """For the critic, ``(n, latent_dim_vf)``."""
        return self.layers.forward_critic(features)


class BetaPolicy(ActorCriticPolicy):
    """Actor D-128-128 and critic D-128-128-1 with ReLU, no layer shared, and a Beta distribution over scores.

    A policy with a ``prior`` begins with scores that rise with one column of the observation, x in [0, 1]: alpha is
    softplus(. + 30 x) + 1 and beta is softplus(. + 30 (1 - x)) + 1, where 30 and -30 are weights that learn as all do.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        net_arch: list[int] | dict[str, list[int]] | None = None,
        activation_fn: type[nn.Module] = nn.ReLU,
        prior: int | None = None,
        **options: Any,
    ) -> None:
        """Build the networks; see ``ActorCriticPolicy`` for the other options.

        Args:
            observation_space: of one slot.
            action_space: of one slot, a ``Box`` from 0 to 1.
            lr_schedule: learning rate by the share of timesteps that remains.
            net_arch: widths of the hidden layers.
            activation_fn: after each hidden layer.
            prior: column of the observation with which scores rise before anything is learned; None for none.
            options: of ``ActorCriticPolicy``.

        Raises:
            ValueError: the action space is not a ``Box`` from 0 to 1, there is no such column, or state-dependent
                exploration is asked for.
        """
        width = int(np.prod(observation_space.shape or (1,)))
        self.prior = None if prior is None else check_count("prior", prior, least=0, most=width - 1)
        if not isinstance(action_space, spaces.Box) or np.any(action_space.low != 0) or np.any(action_space.high != 1):
            raise ValueError(
                f"action_space={action_space!r} is not a Box from 0 to 1; make the environment with action='score'"
            )
        if options.get("use_sde"):
            raise ValueError("use_sde=True is for Gaussian policies; a Beta policy needs use_sde=False")
        net_arch = {"pi": [128, 128], "vf": [128, 128]} if net_arch is None else net_arch
        super().__init__(observation_space, action_space, lr_schedule, net_arch, activation_fn, **options)

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        del self.log_std
        self._dimensions = int(np.prod(self.action_space.shape or (1,)))
        self.action_dist = BetaDistribution(self._dimensions)
        self.action_net = self.action_dist.proba_distribution_net(self.mlp_extractor.latent_dim_pi)
        if self.ortho_init:
            self.action_net.apply(partial(self.init_weights, gain=HEAD_GAIN))
        if self.prior is not None:
            self._prefer_prior(self.action_net)
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)  # type: ignore[call-arg]

    def _build_mlp_extractor(self) -> None:
        super()._build_mlp_extractor()
        if self.prior is not None:
            self.mlp_extractor = WithColumn(self.mlp_extractor, self.prior)  # type: ignore[assignment]

    @torch.no_grad()
    def _prefer_prior(self, head: nn.Linear) -> None:
        alpha, beta = slice(None, self._dimensions), slice(self._dimensions, None)
        head.weight[alpha, -1], head.weight[beta, -1] = PRIOR_STRENGTH, -PRIOR_STRENGTH
        head.bias[beta] += PRIOR_STRENGTH

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"prior": self.prior}

    def _get_action_dist_from_latent(self, latent_pi: Tensor) -> Distribution:
        return BetaDistribution(self._dimensions).proba_distribution(self.action_net(latent_pi))
