"""What a step did with its pool, and rewards for it, one for each candidate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from data_select_gym.arguments import check_choice
from data_select_gym.signals import Signals

# What can be measured on the validation set at each step: the alignment with its gradient, and the fall of its loss.
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
        validation_gain: how far the step lowered the mean loss on a batch of the validation set, one value; None if
            nothing needs it.
        chosen: bool ``(P,)``, which of the kept the action chose, rather than the environment to hold the class
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


class Reward(ABC):
    """A reward for each candidate: called, it returns float ``(P,)`` and terms to report by name, each of one value.

    Attributes:
        needs: what must be measured on the validation set for it, among :data:`NEEDS`.
    """

    @property
    @abstractmethod
    def needs(self) -> frozenset[str]: ...

    @abstractmethod
    def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]: ...


@dataclass(frozen=True)
class CallableReward(Reward):
    """A custom function from a :class:`StepOutcome` to rewards ``(P,)``, or to rewards and terms by name.

    An attribute ``needs`` of the function says what must be measured on the validation set for it.
    """

    function: Callable[[StepOutcome], Any]
    also_needs: frozenset[str] = frozenset()

    @property
    def needs(self) -> frozenset[str]:
        """What the function says that it needs, and what was registered with it.

        Raises:
            ValueError: it names something that is not among :data:`NEEDS`.
        """
        needs = self.also_needs | frozenset(getattr(self.function, "needs", ()))
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
