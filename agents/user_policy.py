"""A custom policy: a function of the observation, or an object with ``select``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from data_select_gym.agents.policy import BEGINS_WITH_ENV, Policy
from data_select_gym.envs import DataSelectEnv
from data_select_gym.ledger import Ledger
from data_select_gym.training.checkpoint_state import State


@runtime_checkable
class Selects(Protocol):
    """An object with ``select``, which is all that a custom policy needs."""

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """Map an observation ``(P, F)`` to a keep mask or loss weights ``(P,)``."""


class UserPolicy(Policy):
    """A custom policy: a function, or an object with ``select`` and, optionally, ``start``.

    One with a state also needs ``state_dict`` and ``load_state_dict(state)``, so that its runs resume bit-identically
    from checkpoints.
    """

    def __init__(self, policy: Selects | Callable[[NDArray[np.float32]], NDArray[Any]]) -> None:
        self.policy = policy
        self.choose = policy.select if isinstance(policy, Selects) else policy

    def unfit_for_loop(self, ledger: Ledger) -> str:
        return BEGINS_WITH_ENV if hasattr(self.policy, "start") else ""

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        return self.choose(observation)

    def start(self, env: DataSelectEnv) -> None:
        begin = getattr(self.policy, "start", None)
        if callable(begin):
            begin(env)

    def state_dict(self) -> State:
        give = getattr(self.policy, "state_dict", None)
        return {"policy": give()} if callable(give) else {}

    def load_state_dict(self, state: State, env: DataSelectEnv) -> None:
        self.start(env)
        if "policy" in state:
            self.policy.load_state_dict(state["policy"])  # type: ignore[union-attr]
