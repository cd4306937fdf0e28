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
    """An object with ``select``, which is all that a policy of a user's needs to be."""

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """From an observation ``(P, F)`` to a keep mask or loss weights ``(P,)``."""


class UserPolicy(Policy):
    """A user's callable, or object with ``select`` and, if it likes, ``start``.

    One that remembers something needs ``state_dict`` and ``load_state_dict`` too, for its runs to go on from
    checkpoints to the bit.
    """

    def __init__(self, policy: Selects | Callable[[NDArray[np.float32]], NDArray[Any]]) -> None:
        self.policy = policy
        self.choose = policy.select if isinstance(policy, Selects) else policy

    def unfit_for_loop(self, ledger: Ledger) -> str:
        """See :meth:`Policy.unfit_for_loop`."""
        return BEGINS_WITH_ENV if hasattr(self.policy, "start") else ""

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """See :meth:`Policy.select`."""
        return self.choose(observation)

    def start(self, env: DataSelectEnv) -> None:
        """See :meth:`Policy.start`."""
        begin = getattr(self.policy, "start", None)
        if callable(begin):
            begin(env)

    def state(self) -> State:
        """See :meth:`Policy.state`."""
        give = getattr(self.policy, "state_dict", None)
        return {"policy": give()} if callable(give) else {}

    def resume(self, env: DataSelectEnv, state: State) -> None:
        """See :meth:`Policy.resume`."""
        self.start(env)
        if "policy" in state:
            self.policy.load_state_dict(state["policy"])  # type: ignore[union-attr]
