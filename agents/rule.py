"""The base of the rules, and the candidates that they choose from."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.agents.policy import BEGINS_WITH_ENV, Policy
from data_select_gym.arguments import check_share
from data_select_gym.envs import DataSelectEnv
from data_select_gym.ledger import Ledger
from data_select_gym.selection import best_share
from data_select_gym.signals import Signals
from data_select_gym.training.checkpoint_state import State

# A sample with a hundredth of the chance to be kept would weigh a hundred times as much.
LARGEST_PRUNE_RATIO = 0.9


@dataclass(frozen=True)
class Candidates:
    """What a rule chooses from: the pool now shown, or in a custom training loop what a ledger says of some samples.

    Attributes:
        signals: recorded of the P candidates.
        keep_ratio: the share to keep, in (0, 1].
        generator: source of randomness, on the host.
        indices: int64 ``(P,)``, which samples they are, on the signals' device.
        visits: int32 ``(P,)``, how often each was trained on, on the signals' device.
        progress: share of the run that is over, in [0, 1].
        labels: int64 ``(P,)`` if the kept samples must have the class shares of the candidates; else None.
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
    """Base of the policies that read recorded signals instead of the observation."""

    def unfit_for_loop(self, ledger: Ledger) -> str:
        return "" if type(self).start is Rule.start else BEGINS_WITH_ENV

    def start(self, env: DataSelectEnv) -> None:
        self.env = env
        self.begin(env.plan.samples, env.run.seed, env.run.device)

    def begin(self, samples: int, seed: int, device: torch.device) -> None:
        """Prepare for a run, and forget the one before.

        Args:
            samples: N, the size of the training set.
            seed: of what the rule draws.
            device: of the signals.
        """
        self.generator = torch.Generator().manual_seed(seed)

    def state_dict(self) -> State:
        """What it draws from and remembers: its tensors and numbers, but those that its constructor was given."""
        given = inspect.signature(type(self)).parameters
        remembered = {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, Tensor | int | float) and name not in given
        }
        return {"generator": self.generator.get_state(), "remembered": remembered}

    def load_state_dict(self, state: State, env: DataSelectEnv) -> None:
        self.env = env
        self.generator = torch.Generator()
        self.generator.set_state(state["generator"])
        for name, value in state["remembered"].items():
            setattr(self, name, value.to(env.run.device) if isinstance(value, Tensor) else value)

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """The choice for the pool now shown."""
        env, run = self.env, self.env.run
        visits = run.ledger.visits[run.rows]
        share = env.episode.config.keep_ratio
        candidates = Candidates(env.signals, share, self.generator, run.rows, visits, run.progress, env.pool_labels)
        return self.choose(candidates).cpu().numpy()

    @abstractmethod
    def choose(self, candidates: Candidates) -> Tensor:
        """Keep mask, bool ``(P,)``, or loss weights, float ``(P,)``."""


def unseen_if_diverged(values: Tensor) -> Tensor:
    """The values, float ``(n,)``, with infinity instead of NaN, as for samples that were never seen."""
    return torch.where(values.isnan(), torch.inf, values)
