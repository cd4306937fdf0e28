"""Data Agent, ours and as published."""

from __future__ import annotations

from typing import Any

from data_select_gym.agents.learned.algorithm import Algorithm
from data_select_gym.agents.learned.data_agent import PRIOR, DataAgent
from data_select_gym.agents.registry import register_algorithm
from data_select_gym.envs.features import DEFAULT_FEATURES
from data_select_gym.training import Plan


def without_annealing(plan: Plan, keep_ratio: float) -> dict[str, Any]:
    """The environment of ``data-agent``: it selects to the end, and keeps more of each pool for what that saves."""
    return {
        "features": (PRIOR, *DEFAULT_FEATURES),
        "anneal_fraction": 0.0,
        "keep_ratio": plan.spread(keep_ratio),
    }


register_algorithm(
    "data-agent",
    Algorithm(
        "Data Agent, ours: begins with the greedy rule, learns from signals for the priced reward, does not anneal",
        "score",
        DataAgent,
        lambda env, given: dict(given),
        without_annealing,
    ),
    description="ours: starts with the greedy rule that the reward describes, learns from there, and selects to the "
    "end instead of annealing",
)
register_algorithm(
    "data-agent-paper",
    Algorithm(
        "Data Agent as published, arXiv 2603.07433",
        "score",
        DataAgent,
        lambda env, given: {**DataAgent.paper_settings(), **given},
        lambda plan, keep_ratio: {"features": ("embedding",), "reward": "minibatch-composite"},
    ),
    description="Data Agent as published, its formulas corrected where the released code departs from them",
    paper="2603.07433",
)
