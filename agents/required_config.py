"""What policies require of their environments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from data_select_gym.arguments import is_number
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.features import check_features


def check_required_config(env: DataSelectEnv, needed: Mapping[str, Any]) -> None:
    """Check that an environment was made with the arguments that a policy requires.

    The keep ratio is not compared, since a policy may require another than was asked for.

    Raises:
        ValueError: it was not.
    """
    there = env.config.flat() | {"pool_size": env.plan.pool_size}
    del there["keep_ratio"]
    for name in differing(there, needed):
        raise ValueError(
            f"{name}={there[name]!r}: this policy needs an environment with {name}={needed[name]!r}; "
            "data_select_gym.agents.make_env(policy, id) makes it"
        )


def differing(given: Mapping[str, Any], needed: Mapping[str, Any]) -> list[str]:
    """Names of the arguments that are given and required with different values."""
    return [name for name in given if name in needed and not same(name, given[name], needed[name])]


def same(name: str, one: Any, other: Any) -> bool:
    """Whether two values mean the same argument: features in any kind of sequence, numbers up to rounding."""
    if name == "features":
        return check_features(one) == check_features(other)
    if is_number(one) and is_number(other):
        return math.isclose(one, other)
    return one is other or bool(one == other)
