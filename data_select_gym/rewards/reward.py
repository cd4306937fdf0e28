"""Per-sample rewards for what a step kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from data_select_gym.arguments import check_callable, check_choice, check_share, import_named, is_number
from data_select_gym.rewards.sample_scores import SAMPLE_SCORES, SampleScore, composite, rank
from data_select_gym.signals import Signals

PRICE_RATE = 0.1
# What can be found out of the validation set at each step: the alignment with its gradient, and the fall of its loss.
NEEDS = ("alignment", "validation_gain")


@dataclass(frozen=True)
class StepOutcome:
    """What one step did with a pool of P candidates, in the pool's order.

    Attributes:
        recorded: the signals recorded before the step, P rows.
        fresh: the signals of the step's forward pass; P rows, those of dropped samples as recorded.
        kept: bool ``(P,)``, what was trained on.
        action: float ``(P,)``, a_i: the score that a kept sample was given (1 where the action was a mask), 0 if it was
            dropped, by the action or to hold the class shares.
        minibatches: the positions in the pool (int64) that each minibatch of the step was made of; none if no update
            was made.
        price: the price c of keeping a sample, in [0, 1].
        validation_gain: how far the step lowered the mean loss on a batch of the validation set, one value; None where
            nobody asked for it.
        chosen: bool ``(P,)``, which of the kept the action had chosen, and not the environment to hold the class
            shares; None for all of them.
    """

    recorded: Signals
    fresh: Signals
    kept: Tensor
    action: Tensor
    minibatches: tuple[Tensor, ...]
    price: float
    validation_gain: Tensor | None = None
    chosen: Tensor | None = None

    def mean_over_kept(self, values: Tensor) -> Tensor:
        """Mean of ``values`` (one, or ``(P,)``) over the kept samples; 0 if none was kept."""
        if values.ndim == 0:
            return values
        return torch.where(self.kept, values, 0.0).sum() / self._count

    @cached_property
    def _count(self) -> Tensor:
        return self.kept.float().sum().clamp_min(1)


class Reward(Protocol):
    """Pays each candidate: returns float ``(P,)`` and the terms to report by name, each of one value.

    Attributes:
        needs: what must be found out of the validation set for it, among :data:`NEEDS`.
    """

    @property
    def needs(self) -> frozenset[str]: ...

    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]: ...


@dataclass(frozen=True)
class KeptScore:
    """r_i = a_i q_i: the quality of what was kept, Data Agent's reward before its normalisation.

    The quality is judged against the whole pool's recorded signals.
    """

    quality: SampleScore
    needs: frozenset[str] = frozenset()

    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]:
        quality, parts = self.quality(outcome.recorded)(outcome.fresh)
        terms = {name: outcome.mean_over_kept(part) for name, part in parts.items()}
        return outcome.action * quality, terms | {"quality": outcome.mean_over_kept(quality)}


@dataclass(frozen=True)
class MinibatchScore:
    """r_i = a_i q_i with q judged over each training minibatch, exactly as in Data Agent (arXiv 2603.07433)."""

    quality: SampleScore
    needs: frozenset[str] = frozenset()

    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]:
        reward = torch.zeros_like(outcome.action)
        _, parts = self.quality(outcome.recorded)(outcome.recorded)
        collected = {name: torch.zeros((), dtype=torch.float32, device=reward.device) for name in (*parts, "quality")}
        trained = sum(len(positions) for positions in outcome.minibatches)
        for positions in outcome.minibatches:
            own = outcome.fresh.rows(positions)
            quality, parts = self.quality(own)(own)
            reward[positions] = outcome.action[positions] * quality
            for name, part in (parts | {"quality": quality}).items():
                collected[name] = collected[name] + part.mean() * (len(positions) / trained)
        return reward, collected


@dataclass(frozen=True)
class PricedScore:
    """r_i = keep_i (rank(q_i) - c): keeping pays where the quality's rank in the pool exceeds the price c.

    Only what the action chose to keep is paid, and only that is charged.

    The rank is the position of the fresh q_i among the pool's recorded qualities. Ranks and a moving price hold the
    budget where a price on the raw quality does not, since quality is skewed: most samples are easy, and keeping them
    all would cost next to nothing.
    """

    quality: SampleScore
    needs: frozenset[str] = frozenset()

    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]:
        score = self.quality(outcome.recorded)
        (recorded, _), (quality, parts) = score(outcome.recorded), score(outcome.fresh)
        position = rank(quality, recorded)
        terms = {name: outcome.mean_over_kept(part) for name, part in parts.items()}
        terms |= {"quality": outcome.mean_over_kept(quality), "rank": outcome.mean_over_kept(position)}
        chosen = outcome.kept if outcome.chosen is None else outcome.chosen
        return torch.where(chosen, position - outcome.price, 0.0), terms


@dataclass(frozen=True)
class ValidationGain:
    """r_i = (L - L') / k for every candidate: the fall of the validation loss by the step over the share that was kept.

    L and L' are the mean losses on one batch of the validation set before and after the step. The fall is 0 where a
    diverged model gives none.
    """

    needs: frozenset[str] = frozenset({"validation_gain"})

    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]:
        if outcome.validation_gain is None:
            raise ValueError(
                "the outcome holds no validation_gain; a TrainingRun measures it with validation_gain=True"
            )
        share = outcome.kept.float().mean()
        fall = outcome.validation_gain.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        gain = torch.where(share > 0, fall / share, 0.0)
        return gain.expand(len(outcome.kept)), {"gain": fall}


@dataclass(frozen=True)
class WeightedSum:
    """Sum of rewards, each times its weight; terms are reported as ``<reward>/<term>``."""

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


@dataclass(frozen=True)
class CallableReward:
    """A user's function from a :class:`StepOutcome` to rewards ``(P,)``, or to rewards and terms by name.

    An attribute ``needs`` of the function says what must be found out of the validation set for it.
    """

    function: Callable[[StepOutcome], Any]

    @property
    def needs(self) -> frozenset[str]:
        """What the function says that it needs.

        Raises:
            ValueError: it names something that is not among :data:`NEEDS`.
        """
        needs = frozenset(getattr(self.function, "needs", ()))
        for name in needs:
            check_choice("reward.needs", name, NEEDS)
        return needs

    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]:
        result = self.function(outcome)
        value, terms = result if isinstance(result, tuple) and len(result) == 2 else (result, {})
        if not isinstance(value, Tensor) or value.shape != outcome.kept.shape:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"reward returned {got}; a tensor of shape {tuple(outcome.kept.shape)} is needed")
        scalars = {name: torch.as_tensor(term).float() for name, term in terms.items()}
        for name, term in scalars.items():
            if term.ndim:
                raise ValueError(f"reward returned the term {name!r} of shape {tuple(term.shape)}; one value is needed")
        return value.detach().float(), scalars


class Price:
    """The price c of keeping a sample: a dual variable that holds the keep fraction at the keep ratio.

    It starts at 1 - keep_ratio and moves by 0.1 (keep_fraction - keep_ratio) after each step, within [0, 1].
    """

    def __init__(self, keep_ratio: float) -> None:
        self.keep_ratio = check_share("keep_ratio", keep_ratio)
        self.value = 1 - self.keep_ratio

    def move(self, keep_fraction: float) -> None:
        """Answer a step that kept the share ``keep_fraction`` of its pool."""
        self.value = min(1.0, max(0.0, self.value + PRICE_RATE * (keep_fraction - self.keep_ratio)))


def needs_of(quality: str) -> frozenset[str]:
    """What a quality, by name, needs to know of the validation set."""
    return frozenset(NEEDS) & {quality}


REWARDS: dict[str, Reward] = {
    **{name: KeptScore(quality, needs_of(name)) for name, quality in SAMPLE_SCORES.items()},
    **{f"priced-{name}": PricedScore(quality, needs_of(name)) for name, quality in SAMPLE_SCORES.items()},
    "minibatch-composite": MinibatchScore(composite),
    "validation-gain": ValidationGain(),
}


def score_of(reward: Reward) -> SampleScore:
    """The quality that a reward pays; the composite for rewards that are made of no single one."""
    return reward.quality if isinstance(reward, KeptScore | MinibatchScore | PricedScore) else composite


def make_reward(reward: str | Mapping[str, float] | Callable[[StepOutcome], Any]) -> Reward:
    """The reward that is meant by a name, by weights for names, or by a callable.

    Args:
        reward: one of :data:`REWARDS`, a mapping such as ``{"difficulty": 0.7, "uncertainty": 0.3}``, or a function of
            a :class:`StepOutcome`; ``"module:function"`` stands for a function, in a mapping too.

    Raises:
        ValueError: an unknown name, a path that cannot be imported, an empty mapping, or a weight that is not a finite
            number.
        TypeError: none of these three, or what is imported cannot be called.
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
    return REWARDS[check_choice("reward", name, REWARDS)]
