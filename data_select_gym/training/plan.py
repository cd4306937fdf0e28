"""The plan of a run: which pools it trains on in full, where selection begins and ends, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from data_select_gym.arguments import check_count, check_flag, check_kind, check_positive
from data_select_gym.tasks import Task
from data_select_gym.tasks.data import length
from data_select_gym.training.config import SCHEDULE_CHECKS, RunConfig, check_fields

POOL_MINIBATCHES = 8
# The cost of a forward pass, relative to training on the same samples.
FORWARD_COST = 1 / 3
PROBED_SHARE = 1 / 8
# With fewer kept samples there is no update: batch normalisation needs two.
LEAST_KEPT = 2
ROUNDING = 1e-9
DEFAULTS = RunConfig()
# The pool size comes after these, since its limit is the number of samples.
CHECKS: dict[str, Callable[[str, Any], Any]] = SCHEDULE_CHECKS | {
    "samples": partial(check_count, least=2),
    "epochs": check_count,
    "fresh": check_flag,
    "alignment": check_flag,
    "validation_gain": check_flag,
    "probed": partial(check_count, least=0),
}


@dataclass(frozen=True)
class Plan:
    """The counts of a run, in pools.

    Each epoch shows ``samples // pool_size`` pools. The samples left over wait for the shuffle of the next epoch.

    Attributes:
        samples: N, the size of the training set.
        pool_size: P, the candidates shown at a step.
        epochs: of the recipe.
        warmup_epochs: the first epochs, trained on all data.
        anneal_fraction: the share of epochs, rounded up, that are trained on all data at the end.
        schedule_fraction: the share of the recipe's pools that are shown; below 1 the schedule is compressed.
        fresh: whether each selection step takes an extra forward pass over its pool.
        alignment: whether each pool up to the annealing epochs takes one over a batch of the validation set.
        validation_gain: whether each selection step takes one over such a batch before it, and one after it.
        probed: samples in such a batch.
    """

    samples: int
    pool_size: int
    epochs: int
    warmup_epochs: int = RunConfig.warmup_epochs
    anneal_fraction: float = RunConfig.anneal_fraction
    schedule_fraction: float = RunConfig.schedule_fraction
    fresh: bool = False
    alignment: bool = False
    validation_gain: bool = False
    probed: int = 0

    @classmethod
    def of(cls, task: Task, config: RunConfig = DEFAULTS) -> Plan:
        """The plan of a task's run.

        Raises:
            ValueError: the pool size is out of its range, or no epoch is left to select in.
            TypeError: ``config`` is no :class:`RunConfig`.
        """
        check_kind("config", config, RunConfig)
        samples, recipe = length(task.train), task.recipe
        pool_size = config.pool_size
        plan = cls(
            samples=samples,
            pool_size=min(samples, POOL_MINIBATCHES * recipe.batch_size) if pool_size is None else pool_size,
            epochs=recipe.epochs,
            warmup_epochs=config.warmup_epochs,
            anneal_fraction=config.anneal_fraction,
            schedule_fraction=config.schedule_fraction,
            fresh="fresh" in config.record,
            alignment="alignment" in config.record,
            validation_gain="validation_gain" in config.record,
        )
        if plan.alignment or plan.validation_gain:
            return replace(plan, probed=probed_samples(task, plan.pool_size))
        return plan

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: one is out of its range, or no epoch is left to select in.
        """
        check_fields(self, CHECKS)
        check_fields(self, {"pool_size": partial(check_count, least=2, most=self.samples)})
        if self.selection_pools < 1:
            raise ValueError(
                f"epochs={self.epochs!r} with warmup_epochs={self.warmup_epochs!r}, anneal_fraction="
                f"{self.anneal_fraction!r} and schedule_fraction={self.schedule_fraction!r} leaves no step to select "
                "at; use more epochs"
            )

    @property
    def pools_per_epoch(self) -> int:
        """Pools in an epoch."""
        return self.samples // self.pool_size

    @property
    def full_pools(self) -> int:
        """Pools that a full-data run of the recipe shows: the unit of cost, and the end of every cost axis."""
        return self.pools_per_epoch * self.epochs

    @property
    def total_pools(self) -> int:
        """Pools that this run shows."""
        return max(1, round(self.full_pools * self.schedule_fraction))

    @property
    def warmup_pools(self) -> int:
        """Pools of the warm-up."""
        return self.warmup_epochs * self.pools_per_epoch

    @property
    def anneal_start(self) -> int:
        """Number of the first pool of the annealing epochs."""
        # Rounded first, since 0.14 * 50 is a little more than 7 in floating point.
        epochs = math.ceil(round(self.anneal_fraction * self.epochs * self.schedule_fraction, 9))
        return self.total_pools - epochs * self.pools_per_epoch

    @property
    def selection_pools(self) -> int:
        """Selection steps: pools of which something is selected."""
        return self.anneal_start - self.warmup_pools

    @property
    def step_forward_cost(self) -> float:
        """The cost of a selection step's extra forward passes, relative to training on its pool."""
        probes = self.alignment + 2 * self.validation_gain
        return FORWARD_COST * (self.fresh + probes * self.probed / self.pool_size)

    def spread(self, keep_ratio: float) -> float:
        """The keep ratio without annealing that costs as much as ``keep_ratio`` with it, in (0, 1].

        Selection steps that replace the annealing epochs may take extra forward passes. Those are paid out of the keep
        ratio, down to one sample of a pool.
        """
        steps = self.total_pools - self.warmup_pools
        forward = self.step_forward_cost * (steps - self.selection_pools)
        least = min(keep_ratio, 1 / self.pool_size)
        return max(1 - ((1 - keep_ratio) * self.selection_pools + forward) / steps, least)

    def cost(self, keep_ratio: float) -> float:
        """The cost of a run that keeps ``keep_ratio`` of each pool shown for selection.

        It is in [0, 1], or above 1 with extra forward passes.
        """
        warmup_forward = FORWARD_COST * self.alignment * self.probed / self.pool_size
        forward = self.step_forward_cost * self.selection_pools + warmup_forward * self.warmup_pools
        return (self.total_pools - (1 - keep_ratio) * self.selection_pools + forward) / self.full_pools

    def keep_ratio(self, cost: float) -> float:
        """The keep ratio at which a run costs ``cost``, up to the rounding to whole samples of a pool.

        Raises:
            ValueError: there is none. The message says which costs are possible, and why no others.
        """
        cost = check_positive("cost", cost)
        least, most = self.cost(LEAST_KEPT / self.pool_size), self.cost(1.0)
        if not (least - ROUNDING <= cost <= most + ROUNDING):
            raise ValueError(f"cost={cost!r} is out of reach: {self._reach(least, most)}")
        ratio = 1 - (most - cost) * self.full_pools / self.selection_pools
        return min(1.0, max(LEAST_KEPT / self.pool_size, ratio))

    def _reach(self, least: float, most: float) -> str:
        """The range of costs that a run can have, and what of it no keep ratio changes."""
        annealing = self.total_pools - self.anneal_start
        always = {
            f"warmup_epochs={self.warmup_epochs} of {self.epochs} are trained on in full": self.warmup_pools,
            f"anneal_fraction={self.anneal_fraction:g} of the epochs, rounded up, too": annealing,
        }
        forward = most - self.total_pools / self.full_pools
        reasons = [f"{reason} ({pools / self.full_pools:.3f})" for reason, pools in always.items() if pools] + [
            f"extra forward passes cost {forward:.3f}"
        ] * (forward > 0)
        reasons.append(f"of the other pools at least {LEAST_KEPT} of {self.pool_size} samples are kept")
        if self.schedule_fraction < 1:
            reasons.append(f"schedule_fraction={self.schedule_fraction:g} ends the run early")
        # Rounded inwards, so that both ends are possible.
        low, high = math.ceil(round(least * 1000, 6)) / 1000, math.floor(round(most * 1000, 6)) / 1000
        return f"a run costs from {low:g} to {high:g} here, since {', '.join(reasons)}"


def probed_samples(task: Task, pool_size: int) -> int:
    """Samples of the validation set in an extra forward pass: an eighth of a pool, and at least two if there are."""
    return min(length(task.validation), max(2, round(PROBED_SHARE * pool_size)))
