"""What policies need of their environments, and whether an environment is so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from data_select_gym.arguments import is_number
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.features import check_features


def check_required_config(env: DataSelectEnv, needed: Mapping[str, Any]) -> None:
    """See that an environment was made with the arguments that a policy needs.

    The keep ratio is not compared, since a policy may need another than it was asked for.

    Raises:
        ValueError: it was not.
    """
    there = {
        "features": env.features,
        "reward": env.reward_given,
        "observe": env.observe,
        "warmup_epochs": env.plan.warmup_epochs,
        "anneal_fraction": env.plan.anneal_fraction,
        "schedule_fraction": env.plan.schedule_fraction,
    }
    for name in differing(there, needed):
        raise ValueError(
            f"{name}={there[name]!r}: this policy needs an environment with {name}={needed[name]!r}; "
            "data_select_gym.agents.make_env(policy, id) makes it"
        )


def differing(given: Mapping[str, Any], needed: Mapping[str, Any]) -> list[str]:
    """Names of the arguments that are given and needed, but not the same."""
    return [name for name in given if name in needed and not same(name, given[name], needed[name])]


def same(name: str, one: Any, other: Any) -> bool:
    """Whether two values mean the same argument: features in whatever sequence, numbers but for rounding."""
    if name == "features":
        return check_features(one) == check_features(other)
    if is_number(one) and is_number(other):
        return math.isclose(one, other)
    return one is other or bool(one == other)
