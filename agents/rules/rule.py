"""Hand-crafted rules, and the baselines that keep all or a random share."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.agents.policy import BEGINS_WITH_ENV, Policy
from data_select_gym.arguments import check_part, check_positive, check_share
from data_select_gym.envs import DataSelectEnv
from data_select_gym.envs.features import DEFAULT_FEATURES
from data_select_gym.ledger import Ledger
from data_select_gym.rewards import finite_loss
from data_select_gym.selection import best_share
from data_select_gym.signals import Signals
from data_select_gym.training import Plan
from data_select_gym.training.plan import LEAST_KEPT
from data_select_gym.training.state import State

# A sample with a hundredth of the chance to be kept would weigh a hundred times as much.
LARGEST_PRUNE_RATIO = 0.9


@dataclass(frozen=True)
class Candidates:
    """What a rule chooses from. A training loop of one's own makes it from a ledger; here it is the pool now shown.

    Attributes:
        signals: recorded of the P candidates.
        keep_ratio: the share to keep, in (0, 1].
        generator: source of randomness, on the host.
        indices: int64 ``(P,)``, which samples they are, on the signals' device.
        visits: int32 ``(P,)``, how often each was trained on, on the signals' device.
        progress: share of the run that is over, in [0, 1].
        labels: int64 ``(P,)``, if the class shares of what is kept are to be those of the candidates; else None.
    """

    signals: Signals
    keep_ratio: float
    generator: torch.Generator
    indices: Tensor
    visits: Tensor
    progress: float
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: ``keep_ratio`` or ``progress`` is out of its range.
        """
        object.__setattr__(self, "keep_ratio", check_share("keep_ratio", self.keep_ratio))
        object.__setattr__(self, "progress", check_share("progress", self.progress, zero=True))

    def best(self, scores: Tensor) -> Tensor:
        """Keep mask, bool ``(P,)``, of the share to keep with the highest ``scores``, float ``(P,)`` without NaN."""
        return best_share(scores, self.keep_ratio, self.labels)

    def random(self) -> Tensor:
        """A uniform draw in [0, 1) for each candidate, float32 ``(P,)``, on the signals' device."""
        drawn = torch.rand(len(self.signals), generator=self.generator, dtype=torch.float32)
        return drawn.to(self.signals.loss.device, non_blocking=True)


class Rule(Policy, ABC):
    """A policy that looks at recorded signals and not at the observation."""

    def unfit_for_loop(self, ledger: Ledger) -> str:
        """See :meth:`Policy.unfit_for_loop`."""
        return "" if type(self).start is Rule.start else BEGINS_WITH_ENV

    def start(self, env: DataSelectEnv) -> None:
        """See :meth:`Policy.start`."""
        self.env = env
        self.begin(env.plan.samples, env.run.seed, env.run.device)

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        """Forget the last run and prepare for one.

        Args:
            samples: N, the size of the training set.
            seed: of what the rule draws.
            device: of the signals.
        """
        self.generator = torch.Generator().manual_seed(seed)

    def state(self) -> State:
        """What it draws from and remembers: its tensors and numbers, but those that its constructor was given."""
        given = inspect.signature(type(self)).parameters
        remembered = {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, Tensor | int | float) and name not in given
        }
        return {"generator": self.generator.get_state(), "remembered": remembered}

    def resume(self, env: DataSelectEnv, state: State) -> None:
        """See :meth:`Policy.resume`."""
        self.env = env
        self.generator = torch.Generator()
        self.generator.set_state(state["generator"])
        for name, value in state["remembered"].items():
            setattr(self, name, value.to(env.run.device) if isinstance(value, Tensor) else value)

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """The choice for the pool now shown."""
        env, run = self.env, self.env.run
        visits = run.ledger.visits[run.rows]
        candidates = Candidates(
            env.signals, env.keep_ratio, self.generator, run.rows, visits, run.progress, env.pool_labels
        )
        return self.choose(candidates).cpu().numpy()

    @abstractmethod
    def choose(self, candidates: Candidates) -> Tensor:
        """Keep mask, bool ``(P,)``, or loss weights, float ``(P,)``."""


class Unseeing(Rule):
    """A rule that reads neither signals nor rewards, so that none are looked for in its runs."""

    unread = frozenset({"observe", "features", "reward"})

    def required_config(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
        """See :meth:`Policy.required_config`; in the place of what would be paid for by looks, what comes without."""
        needed: dict[str, Any] = {}
        if plan.fresh:
            needed["observe"] = "recorded"
        if plan.alignment:
            needed["features"] = DEFAULT_FEATURES
        if plan.alignment or plan.validation_gain:
            needed["reward"] = "priced-composite"
        return needed


class Full(Unseeing):
    """Keep all."""

    uses_keep_ratio = False

    def choose(self, candidates: Candidates) -> Tensor:
        """See :meth:`Rule.choose`."""
        return torch.ones(len(candidates.signals), dtype=torch.bool)


class FullEqualCost(Full):
    """Keep all, the schedule shortened to what the budget pays for.

    That is what a rule that keeps the keep ratio pays, its looks included, but never more than the whole schedule. A
    run is a whole number of pools: with few of them, such as one an epoch, its cost can miss the budget by half a pool.
    """

    uses_keep_ratio = True

    def unfit_for_loop(self, ledger: Ledger) -> str:
        """See :meth:`Policy.unfit_for_loop`."""
        return "shortens the schedule, which is the loop's own: shorten it there, and keep all"

    def required_config(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
        """See :meth:`Policy.required_config`."""
        fraction = min(1.0, plan.cost(keep_ratio))
        needed = super().required_config(plan, keep_ratio) | {"schedule_fraction": fraction}
        if needed.keys() == {"schedule_fraction"} and plan.schedule_fraction == 1 and has_steps(plan, fraction):
            return needed
        # Where all is kept, the whole run may be the selection, and then the length is the keep ratio: :meth:`check`
        # comes to the same from the environment, in which nothing is left of the looks or the longer run.
        return needed | {"keep_ratio": fraction, "warmup_epochs": 0, "anneal_fraction": 0.0}

    def at_cost(self, plan: Plan, cost: float) -> dict[str, Any]:
        """See :meth:`Policy.at_cost`; the cost is the length of the run, all of which may be the selection."""
        least = max(1 / plan.full_pools, LEAST_KEPT / plan.pool_size)
        if not least <= check_positive("cost", cost) <= 1:
            raise ValueError(
                f"cost={cost!r} is out of reach: a run on all data costs from {math.ceil(least * 1000) / 1000:g} to 1 "
                f"here, since it shows at least one of {plan.full_pools} pools and at most all"
            )
        return {"keep_ratio": cost, "schedule_fraction": cost, "warmup_epochs": 0, "anneal_fraction": 0.0}


def has_steps(plan: Plan, schedule_fraction: float) -> bool:
    """Whether a run shortened to ``schedule_fraction`` has steps between its warm-up and its annealing epochs."""
    try:
        replace(plan, schedule_fraction=schedule_fraction)
    except ValueError:
        return False
    return True


class Random(Unseeing):
    """A fresh random share of each pool (RS2, arXiv 2305.18424)."""

    def choose(self, candidates: Candidates) -> Tensor:
        """See :meth:`Rule.choose`."""
        return candidates.best(candidates.random())


class TopLoss(Rule):
    """The share with the highest recorded loss (OHEM, arXiv 1604.03540)."""

    def choose(self, candidates: Candidates) -> Tensor:
        """See :meth:`Rule.choose`."""
        return candidates.best(unseen_if_diverged(candidates.signals.loss))


class InfoBatch(Rule):
    """Drop at random among those below the mean loss, and weigh up the rest of those (arXiv 2303.04947).

    A candidate below the pool's mean recorded loss is dropped with probability r, and weighs 1 / (1 - r) if it is kept;
    all others are kept and weigh 1. The paper's r is a share of the low losses and holds no budget; without one, r is
    chosen for each pool so that the keep ratio is held, up to 0.9.
    """

    def __init__(self, prune_ratio: float | None = None) -> None:
        """Make the rule.

        Args:
            prune_ratio: r, in [0, 1); None to hold the keep ratio.

        Raises:
            ValueError: ``prune_ratio`` is out of its range.
        """
        self.prune_ratio = None if prune_ratio is None else check_part("prune_ratio", prune_ratio)

    def choose(self, candidates: Candidates) -> Tensor:
        """See :meth:`Rule.choose`; exactly the share r of the low losses is dropped."""
        losses = finite_loss(candidates.signals.loss)
        low = losses < losses.mean()
        count = low.sum(dtype=torch.float32)
        if self.prune_ratio is None:
            surplus = (1 - candidates.keep_ratio) * len(losses)
            ratio = (surplus / count.clamp_min(1)).clamp_max(LARGEST_PRUNE_RATIO)
        else:
            ratio = torch.full_like(losses[0], self.prune_ratio)
        place = torch.where(low, candidates.random(), -1.0).argsort(descending=True).argsort()
        kept_low = count - (ratio * count).round()
        return torch.where(low, (place < kept_low) / (1 - ratio), 1.0)


def unseen_if_diverged(values: Tensor) -> Tensor:
    """The values, float ``(n,)``, infinite as those of samples never seen where they are no number."""
    return torch.where(values.isnan(), torch.inf, values)
