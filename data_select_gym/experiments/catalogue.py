"""Everything there is to choose from, with a line each."""

from __future__ import annotations

from data_select_gym.agents import POLICIES
from data_select_gym.envs.features import FEATURES
from data_select_gym.registration import SAMPLEWISE
from data_select_gym.rewards import REWARDS
from data_select_gym.task_registry import ENVIRONMENTS, samplewise_id
from data_select_gym.tasks.regimes import REGIMES


def catalogue() -> dict[str, dict[str, str]]:
    """Names and descriptions of environments, regimes, policies, features and rewards."""
    environments = {name: environment.line for name, environment in ENVIRONMENTS.items()}
    return {
        "environments": environments | {samplewise_id("DataSelect/<name>-v0"): SAMPLEWISE},
        "regimes": {_with_value(entry.name, entry.get().value): entry.line for entry in REGIMES.entries()},
        "policies": {entry.name: entry.line_with_needs for entry in POLICIES.entries()},
        "features": {entry.name: entry.line for entry in FEATURES.entries()},
        "rewards": {entry.name: entry.line for entry in REWARDS.entries()},
    }


def _with_value(name: str, value: str) -> str:
    return f"{name}:{value}" if value else name
