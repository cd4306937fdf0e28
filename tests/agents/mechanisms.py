"""Policies that stand for the others in the fast tier: one of each mechanism."""

from collections.abc import Iterable
from typing import Any

import pytest

MECHANISMS = {
    "full-equal-cost": "a shorter schedule",
    "random": "a rule without signals",
    "top-loss": "a ranking",
    "infobatch": "a rule with a history, and loss weights",
    "rho-loss": "a second model",
    "data-agent": "the agent of this package",
    "ppo": "on-policy, from Stable-Baselines3",
    "dqn": "off-policy, from Stable-Baselines3",
}


def by_mechanism(cases: Iterable[Any]) -> list[Any]:
    """Policies, or tuples that begin with one, as parameters of a test: the others than these are slow."""
    params = []
    for case in cases:
        values = case if isinstance(case, tuple) else (case,)
        marks = () if values[0] in MECHANISMS else pytest.mark.slow
        params.append(pytest.param(*values, marks=marks))
    return params
