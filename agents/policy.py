"""Policies: what maps an observation to a keep mask, and plays a run from beginning to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents.fingerprint import Given
from data_select_gym.agents.learned.algorithms import Algorithm
from data_select_gym.agents.learned.one_run import check_learns, learn_run
from data_select_gym.agents.learned.resume_learning import resume_learning
from data_select_gym.agents.required_config import check_required_config
from data_select_gym.agents.run_checkpointer import RunCheckpointer
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv
from data_select_gym.ledger import Ledger
from data_select_gym.randomness import RNGScope
from data_select_gym.training import Plan
from data_select_gym.training.device import choose_device
from data_select_gym.training.state import State

BEGINS_WITH_ENV = (
    "begins with the environment, by start(env); a subclass of data_select_gym.agents.Rule sees samples and signals in "
    "its Candidates, here as there"
)


@runtime_checkable
class Selects(Protocol):
    """An object with ``select``, which is all that a policy of a user's needs to be."""

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """From an observation ``(P, F)`` to a keep mask or loss weights ``(P,)``."""


class Policy:
    """Base of the policies: a subclass has :meth:`select`, or drives a run in a way of its own.

    Attributes:
        uses_keep_ratio: whether the keep ratio makes a difference to it.
        keeps_freely: whether it has learned how much to keep, so that nothing holds it to the keep ratio.
        unread: arguments of the environment that make no difference to it, so that nobody need be told of others.
        checkpointer: that writes checkpoints of the run it drives; None for none.
    """

    uses_keep_ratio = True
    keeps_freely = False
    unread: frozenset[str] = frozenset()
    checkpointer: RunCheckpointer | None = None

    def required_config(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
        """Arguments that the environment of this policy needs, given the plan of a run at this keep ratio."""
        return {}

    def at_cost(self, plan: Plan, cost: float) -> dict[str, Any]:
        """Those arguments of its environment with which a run costs ``cost``, which come before all others.

        Args:
            plan: of a run in the environment that is made of :meth:`environment`.
            cost: over that of a run on full data.

        Raises:
            ValueError: there is no run of this cost; the message says which there are.
        """
        return {"keep_ratio": plan.keep_ratio(cost)}

    def check(self, env: DataSelectEnv) -> None:
        """Called before anything is run.

        Raises:
            ValueError: the policy cannot serve this environment, such as one that was not made with what
                :meth:`environment` asks for.
        """
        check_required_config(env, self.required_config(replace(env.plan, schedule_fraction=1.0), env.keep_ratio))

    def unfit_for_loop(self, ledger: Ledger) -> str:
        """Why it cannot choose for a training loop of one's own, without an environment; empty if it can.

        Args:
            ledger: in which the loop records.
        """
        return "" if type(self).start is Policy.start else BEGINS_WITH_ENV

    def start(self, env: DataSelectEnv) -> None:
        """Called when a run has been reset, before the first :meth:`select`."""

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """From an observation ``(P, F)`` to a keep mask or loss weights ``(P,)``."""
        raise NotImplementedError(f"{type(self).__name__} cannot select")

    def state(self) -> State:
        """Everything that it goes on from between two steps, for :meth:`resume`; see the types of ``State``."""
        return {}

    def state_while_unasked(self) -> State | None:
        """The same in the warm-up and annealing epochs, in which it is not asked; None if nothing has begun yet."""
        return None

    def resume(self, env: DataSelectEnv, state: State) -> None:
        """Called in the place of :meth:`start` when a run goes on from a checkpoint."""
        self.start(env)

    def run(self, env: DataSelectEnv, seed: int) -> None:
        """Reset the environment with ``seed`` and step it to the end of the run."""
        observation, _ = env.reset(seed=seed)
        over = env.run.done  # if it goes on from a checkpoint
        if not over:
            self._begin(env)
        while not over:
            if self.checkpointer is not None:
                self.checkpointer.offer(self.state)
            observation, _, over, _, _ = env.step(self.select(observation))

    def _begin(self, env: DataSelectEnv) -> None:
        if self.checkpointer is None or self.checkpointer.policy_state is None:
            self.start(env)
        else:
            self.resume(env, self.checkpointer.policy_state)


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


class OnlinePolicy(Policy):
    """A model of Stable-Baselines3 that learns within the run that it steers, from nothing.

    Attributes:
        algorithm: how the model is made.
        options: arguments of the model's class that were given.
        model: the model of the last run; None before the first.
    """

    def __init__(self, algorithm: Algorithm, **options: Any) -> None:
        """Make the policy.

        Args:
            algorithm: how its models are made.
            options: arguments of the model's class that take the place of ours.

        Raises:
            TypeError: there is no such option.
            ValueError: an option is of another type.
        """
        self.algorithm = algorithm
        self.options = Given(algorithm.check_options(options))
        self.model: BaseAlgorithm | None = None

    def required_config(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
        """See :meth:`Policy.required_config`."""
        return self.algorithm.required_config(plan, keep_ratio)

    def check(self, env: DataSelectEnv) -> None:
        """See :meth:`Policy.check`.

        Raises:
            ValueError: see there, or the algorithm would learn nothing from a single run.
            ImportError: the algorithm is one of sb3-contrib's, which is not installed.
        """
        if self.algorithm.across_runs:
            raise ValueError(self.algorithm.across_runs)
        super().check(env)
        with RNGScope(0, choose_device("auto")):
            slots = SamplewiseVecEnv(env, action=self.algorithm.action)
            check_learns(self.algorithm.make(slots, **self.options), slots.steps_per_run)

    def unfit_for_loop(self, ledger: Ledger) -> str:
        """See :meth:`Policy.unfit_for_loop`."""
        return (
            "learns within the run that it steers, which takes the environment; learn it there over several runs, with "
            "data_select_gym.agents.learned.pretrain or 'data-select-gym train', and give its file"
        )

    def run(self, env: DataSelectEnv, seed: int) -> None:
        """Learn from one run; a new model is made for each."""
        slots = SamplewiseVecEnv(env, action=self.algorithm.action)
        # A model on a GPU draws its actions there.
        randomness = RNGScope(seed, choose_device("auto"))
        with randomness:
            self.model = self.algorithm.make(slots, **self.options)
            slots.seed(seed)
            if self.checkpointer is None:
                learn_run(self.model, log_interval=slots.num_envs)
            else:
                resume_learning(self.model, self.checkpointer, randomness)
