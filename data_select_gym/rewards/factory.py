"""Rewards from whatever a user gives: a name, weights for names, or a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from data_select_gym.arguments import check_callable, import_named, is_number
from data_select_gym.rewards.registry import REWARDS
from data_select_gym.rewards.reward import CallableReward, Reward, StepOutcome


@dataclass(frozen=True)
class WeightedSum(Reward):
    """A weighted sum of rewards; terms are reported as ``<reward>/<term>``."""

    parts: Mapping[str, tuple[float, Reward]]

    @property
    def needs(self) -> frozenset[str]:
        """All that its parts need."""
        return frozenset().union(*(reward.needs for _, reward in self.parts.values()))

    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]:
        total = torch.zeros_like(outcome.action)
        terms: dict[str, Tensor] = {}
        for name, (weight, reward) in self.parts.items():
            value, parts = reward(outcome)
            total = total + weight * value
            terms |= {f"{name}/{term}": part for term, part in parts.items()}
            terms[name] = value.mean()
        return total, terms


def make_reward(reward: str | Mapping[str, float] | Callable[[StepOutcome], Any]) -> Reward:
    """Make a reward from a name, weights for names, or a function.

    Args:
        reward: one of :data:`REWARDS`, a mapping such as ``{"difficulty": 0.7, "uncertainty": 0.3}``, or a function of
            a :class:`StepOutcome`; ``"module:function"`` stands for a function, in a mapping too.

    Raises:
        ValueError: an unknown name, a path that cannot be imported, an empty mapping, or a weight that is not a finite
            number.
        TypeError: it is none of these three, or what is imported cannot be called.
    """
    if isinstance(reward, str):
        return _named(reward)
    if isinstance(reward, Mapping):
        parts = {name: _named(name) for name in reward}
        for name, weight in reward.items():
            if not is_number(weight):
                raise ValueError(f"reward[{name!r}]={weight!r} is not a finite number")
        if not reward:
            raise ValueError(f"reward={reward!r} is empty; it needs a weight for one of: {', '.join(REWARDS)}")
        return WeightedSum({name: (float(weight), parts[name]) for name, weight in reward.items()})
    if callable(reward):
        return CallableReward(reward)
    raise TypeError(f"reward={reward!r} is not a name, a mapping of names to weights, or a callable")


def _named(name: Any) -> Reward:
    if isinstance(name, str) and ":" in name:
        return CallableReward(check_callable("reward", import_named("reward", name)))
    return REWARDS.find("reward", name)
