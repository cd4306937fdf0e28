"""Baselines: all of each pool, all on a shorter schedule, or a random share."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from data_select_gym.agents.registry import register_rule
from data_select_gym.agents.rule import Candidates, Rule
from data_select_gym.arguments import check_positive
from data_select_gym.envs.features import DEFAULT_FEATURES
from data_select_gym.ledger import Ledger
from data_select_gym.selection import kept_count
from data_select_gym.training import Plan
from data_select_gym.training.plan import LEAST_KEPT


class Unseeing(Rule):
    """A rule that reads neither signals nor rewards, so its runs make no extra forward passes for them."""

    unread = frozenset({"observe", "features", "reward"})

    def required_config(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
        """Settings that cost no extra forward passes, instead of those that do."""
        needed: dict[str, Any] = {}
        if plan.fresh:
            needed["observe"] = "recorded"
        if plan.alignment:
            needed["features"] = DEFAULT_FEATURES
        if plan.alignment or plan.validation_gain:
            needed["reward"] = "priced-composite"
        return needed


@register_rule("full")
class Full(Unseeing):
    """Keep all."""

    uses_keep_ratio = False

    def choose(self, candidates: Candidates) -> Tensor:
        return torch.ones(len(candidates.signals), dtype=torch.bool)


@register_rule("full-equal-cost")
class FullEqualCost(Full):
    """Keep all, with the schedule shortened to the budget, in whole pools.

    The budget is what a rule at the keep ratio pays, extra forward passes included, up to the whole schedule. With few
    pools, such as one an epoch, the cost can miss the budget by half a pool.
    """

    uses_keep_ratio = True

    def unfit_for_loop(self, ledger: Ledger) -> str:
        return "shortens the schedule, which is the loop's own: shorten it there, and keep all"

    def required_config(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
        fraction = min(1.0, plan.cost(keep_ratio))
        needed = super().required_config(plan, keep_ratio) | {"schedule_fraction": fraction}
        if needed.keys() == {"schedule_fraction"} and plan.schedule_fraction == 1 and has_steps(plan, fraction):
            return needed
        # If all is kept, the whole run may be the selection, and then its length is the keep ratio. check() finds the
        # same from the environment, which no longer knows of the extra forward passes or the longer run.
        return needed | {"keep_ratio": fraction, "warmup_epochs": 0, "anneal_fraction": 0.0}

    def at_cost(self, plan: Plan, cost: float) -> dict[str, Any]:
        """The cost is the length of the run, all of which may be the selection.

        Raises:
            ValueError: no run costs this; the message says what runs can cost.
        """
        least = max(1 / plan.full_pools, LEAST_KEPT / plan.pool_size)
        if not least <= check_positive("cost", cost) <= 1:
            raise ValueError(
                f"cost={cost!r} is out of reach: a run on all data costs from {math.ceil(least * 1000) / 1000:g} to 1 "
                f"here, since it shows at least one of {plan.full_pools} pools and at most all"
            )
        return {"keep_ratio": cost, "schedule_fraction": cost, "warmup_epochs": 0, "anneal_fraction": 0.0}


@register_rule("random", paper="RS2, arXiv 2305.18424")
class Random(Unseeing):
    """A fresh random share of each pool."""

    def choose(self, candidates: Candidates) -> Tensor:
        return candidates.best(candidates.random())


@register_rule("static-random")
class StaticRandom(Unseeing):
    """One random subset for the whole run.

    What is not in it is seen only in the epochs that train on all data.
    """

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        super().begin(samples, seed, device)
        self.order = torch.randperm(samples, generator=self.generator).to(device)

    def choose(self, candidates: Candidates) -> Tensor:
        # The subset does not depend on how the pools are cut, so the share kept varies by pool.
        return self.order[candidates.indices] < kept_count(len(self.order), candidates.keep_ratio)


def has_steps(plan: Plan, schedule_fraction: float) -> bool:
    """Whether a run shortened to ``schedule_fraction`` has steps between its warm-up and its annealing epochs."""
    try:
        replace(plan, schedule_fraction=schedule_fraction)
    except ValueError:
        return False
    return True
