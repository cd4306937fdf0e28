"""The base of the policies: they map an observation to a keep mask, and run from beginning to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_select_gym.agents.required_config import check_required_config
from data_select_gym.agents.run_checkpointer import RunCheckpointer
from data_select_gym.deprecation import rename_members
from data_select_gym.envs import DataSelectEnv
from data_select_gym.ledger import Ledger
from data_select_gym.training import Plan
from data_select_gym.training.checkpoint_state import State

BEGINS_WITH_ENV = (
    "begins with the environment, by start(env); a subclass of data_select_gym.agents.Rule sees samples and signals in "
    "its Candidates, here as there"
)


# Names of 0.1, which subclasses may still define and callers may still use.
RENAMED = {
    "budgeted": "uses_keep_ratio",
    "environment": "required_config",
    "play": "run",
    "resume": "load_state_dict",
    "state": "state_dict",
    "state_while_unasked": "idle_state_dict",
}


def _swapped(method: Callable[..., None]) -> Callable[..., None]:
    """A method with its two arguments the other way round."""

    def swapped(self: Policy, *given: Any, **named: Any) -> None:
        method(self, *reversed(given), **named)

    return swapped


ADAPTED = {"resume": _swapped}


class Policy:
    """Base of the policies: a subclass defines :meth:`select`, or :meth:`run` for a run of another kind.

    Attributes:
        uses_keep_ratio: whether the keep ratio makes a difference to it.
        keeps_freely: whether it decides how much to keep, so nothing holds it to the keep ratio.
        unread: arguments of the environment that make no difference to it; no warning is given if they are replaced.
        checkpointer: writes checkpoints of its run; None for none.
    """

    uses_keep_ratio = True
    keeps_freely = False
    unread: frozenset[str] = frozenset()
    checkpointer: RunCheckpointer | None = None

    def required_config(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
        """Arguments that this policy needs of its environment, given the plan of a run at this keep ratio."""
        return {}

    def at_cost(self, plan: Plan, cost: float) -> dict[str, Any]:
        """Arguments of the environment with which a run costs ``cost``; they override all others.

        Args:
            plan: of a run in the environment of :meth:`required_config`.
            cost: relative to a run on full data.

        Raises:
            ValueError: no run costs this; the message says what runs can cost.
        """
        return {"keep_ratio": plan.keep_ratio(cost)}

    def check(self, env: DataSelectEnv) -> None:
        """Check the environment before a run.

        Raises:
            ValueError: the policy cannot serve it, for example since it lacks what :meth:`required_config` asks for.
        """
        check_required_config(env, self.required_config(replace(env.plan, schedule_fraction=1.0), env.keep_ratio))

    def unfit_for_loop(self, ledger: Ledger) -> str:
        """Why the policy cannot serve a custom training loop without an environment; empty if it can.

        Args:
            ledger: in which the loop records.
        """
        return "" if type(self).start is Policy.start else BEGINS_WITH_ENV

    def start(self, env: DataSelectEnv) -> None:
        """Prepare for a run that has been reset, before the first :meth:`select`."""

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """Map an observation ``(P, F)`` to a keep mask or loss weights ``(P,)``."""
        raise NotImplementedError(f"{type(self).__name__} cannot select")

    def state_dict(self) -> State:
        """What the policy resumes from between two steps: tensors, numbers, texts and nestings of these."""
        return {}

    def idle_state_dict(self) -> State | None:
        """The same during warm-up and annealing, when the policy is idle; None if it has no state yet."""
        return None

    def load_state_dict(self, state: State, env: DataSelectEnv) -> None:
        """Called instead of :meth:`start` when a run resumes from a checkpoint.

        Args:
            state: that of :meth:`state_dict` or :meth:`idle_state_dict`.
            env: the environment, in the middle of the run.
        """
        self.start(env)

    def run(self, env: DataSelectEnv, seed: int) -> None:
        """Reset the environment with ``seed`` and step it to the end of the run."""
        observation, _ = env.reset(seed=seed)
        terminated = env.run.done  # if it resumes from a checkpoint
        if not terminated:
            self._begin(env)
        while not terminated:
            if self.checkpointer is not None:
                self.checkpointer.offer(self.state_dict)
            observation, _, terminated, _, _ = env.step(self.select(observation))

    def _begin(self, env: DataSelectEnv) -> None:
        if self.checkpointer is None or self.checkpointer.policy_state is None:
            self.start(env)
        else:
            self.load_state_dict(self.checkpointer.policy_state, env)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        rename_members(cls, RENAMED, ADAPTED)


rename_members(Policy, RENAMED, ADAPTED)
