"""Which regime each run has: always the same, or one drawn at every reset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from data_select_gym.arguments import check_count, check_kind, check_least, import_named
from data_select_gym.randomness import RNGScope
from data_select_gym.tasks import Task
from data_select_gym.tasks.data import check_dataset, length
from data_select_gym.tasks.regimes.applying import apply_regime, check_fits, drawn_regimes, read_regime
from data_select_gym.tasks.regimes.registry import RANDOM, Circumstances
from data_select_gym.training.checkpoint_state import StateError

PACKAGE = "data_select_gym."


@dataclass(frozen=True)
class DrawnRegime:
    """A regime that was drawn, and the seed that it is applied with."""

    name: str
    seed: int


class RegimeSource:
    """Gives the task of each run.

    Attributes:
        base: the task that regimes change.
        fixed: the regime of all runs; None if it is drawn, or if there is none.
        weights: of the regimes that are drawn from; empty if none is drawn.
    """

    def __init__(self, base: Task, regime: Any, seed: int, off_target: Any) -> None:
        """Check that the task can have the regimes.

        Args:
            base: the task.
            regime: as an environment takes it, checked by :func:`check_regimes`.
            seed: of a fixed regime.
            off_target: a dataset for ``off-target``, ``"module:function"`` that returns one, or None.

        Raises:
            ValueError: it cannot.
        """
        self.base = base
        self.other = _dataset(off_target)
        self.seed = seed
        self.fixed: str | None = None
        self.weights: dict[str, float] = {}
        given = Circumstances(seed, off_target=self.other)
        if isinstance(regime, str) and regime != RANDOM:
            self.fixed = regime
        elif regime is not None:
            self.weights = drawn_regimes(base, given) if regime == RANDOM else weights_of(regime)
        for name in self.weights:
            parts = check_fits(name, base, given)
            # Those of the package keep the size, and trying all of them would take long.
            if any(not str(part.regime.change.__module__).startswith(PACKAGE) for part in parts):
                self.task_of(DrawnRegime(name, seed))

    def first_task(self) -> Task:
        """The task before anything is drawn."""
        if self.fixed is None:
            return self.base
        return apply_regime(self.base, self.fixed, seed=self.seed, off_target=self.other)

    def draw(self, generator: np.random.Generator) -> DrawnRegime | None:
        """Draw a regime and its seed; None, and nothing is drawn, unless regimes are to be drawn."""
        if not self.weights:
            return None
        shares = np.array(list(self.weights.values()))
        place = int(generator.choice(len(shares), p=shares / shares.sum()))
        return DrawnRegime(list(self.weights)[place], int(generator.integers(2**31)))

    def drawn_in(self, state: Mapping[str, Any]) -> DrawnRegime | None:
        """What was drawn for a run of which this is the state.

        Raises:
            StateError: it is not what could be drawn.
        """
        if not self.weights:
            return None
        try:
            drawn = DrawnRegime(state["regime"]["name"], check_count("seed", state["regime"]["seed"], least=0))
        # Whatever stands where a regime should.
        except Exception as error:
            raise StateError(f"the checkpoint has no regime that was drawn: {error}") from error
        if drawn.name not in self.weights:
            raise StateError(f"the checkpoint is of regime={drawn.name!r}, which this environment does not draw")
        return drawn

    def task_of(self, drawn: DrawnRegime) -> Task:
        """The task with a regime that was drawn.

        Raises:
            ValueError: it changes the size of the training set, on which the cost and the plan depend.
        """
        with RNGScope(0, torch.device("cpu")):
            task = apply_regime(self.base, drawn.name, seed=drawn.seed, same_size=True, off_target=self.other)
        if length(task.train) != length(self.base.train):
            raise ValueError(
                f"regime {drawn.name!r} has {length(task.train)} training samples instead of "
                f"{length(self.base.train)}; regimes that are drawn must keep the size of the training set"
            )
        return task


def check_regimes(name: str, regime: Any) -> Any:
    """Return ``regime`` if an environment takes it; a mapping or a list as a copy.

    Raises:
        ValueError: a regime is unknown or has a wrong value, or a weight is no number of at least 0.
        TypeError: it is neither a text, nor a mapping or list of texts with weights.
    """
    if regime is None or regime == RANDOM:
        return regime
    for text in [regime] if isinstance(regime, str) else weights_of(check_weighted(name, regime)):
        read_regime(text)
    if isinstance(regime, Mapping):
        return dict(regime)
    return regime if isinstance(regime, str) else [_pair(entry) for entry in regime]


def check_weighted(name: str, regime: Any) -> Any:
    """Return ``regime`` if it is a mapping or a list.

    Raises:
        TypeError: it is neither.
    """
    if not isinstance(regime, Mapping | Sequence):
        raise TypeError(f"{name}={regime!r:.100} is a {type(regime).__name__}; a text, a mapping or a list is needed")
    return regime


def weights_of(regimes: Mapping[str, float] | Sequence[Any]) -> dict[str, float]:
    """Regimes with the weights by which they are drawn.

    Args:
        regimes: a mapping from regimes to weights, or a list of regimes, of pairs of both, or a mixture.

    Raises:
        ValueError: there is none, one is twice among them, or a weight is no number of at least 0 or all are 0.
        TypeError: a regime is no text.
    """
    given = regimes.items() if isinstance(regimes, Mapping) else map(_pair, regimes)
    weights: dict[str, float] = {}
    for regime, weight in given:
        check_kind("regime", regime, str)
        if regime in weights:
            raise ValueError(f"regime={regimes!r:.200} has {regime!r} twice")
        weights[regime] = check_least(f"weight of regime {regime!r}", weight, 0)
    if not sum(weights.values()):
        raise ValueError(f"regime={regimes!r:.200} has no regime with a weight above 0")
    return {regime: float(weight) for regime, weight in weights.items() if weight}


def describe_regimes(regime: Any, seed: int) -> str:
    """What must be the same for a run to resume, in a text; empty without a regime."""
    if regime is None:
        return ""
    return f"{regime}, seed {seed}" if isinstance(regime, str) else repr(weights_of(regime))


def _pair(entry: Any) -> tuple[Any, Any]:
    if isinstance(entry, list | tuple) and len(entry) == 2:
        return entry[0], entry[1]
    return entry, 1.0


def _dataset(given: Any) -> Dataset[Any] | None:
    if given is None:
        return None
    if isinstance(given, str):
        given = import_named("off_target", given)()
    check_dataset("off_target", given)
    found: Dataset[Any] = given
    return found
