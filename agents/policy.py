"""Policies: what maps an observation to a keep mask, and what drives a run from beginning to end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents.algorithms import Algorithm
from data_select_gym.agents.identity import describe_object
from data_select_gym.agents.keep_learning import keep_learning
from data_select_gym.agents.keeper import Keeper
from data_select_gym.agents.needs import check_needs
from data_select_gym.agents.one_run import check_learns, learn_run
from data_select_gym.arguments import check_count, check_kind
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, make_joint
from data_select_gym.randomness import OwnRandomness
from data_select_gym.training import Plan
from data_select_gym.training.checkpoints import Checkpoints
from data_select_gym.training.device import choose_device
from data_select_gym.training.state import State


@runtime_checkable
class Selects(Protocol):
    """An object with ``select``, which is all that a policy of a user's needs to be."""

    def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """From an observation ``(P, F)`` to a keep mask or loss weights ``(P,)``."""


@dataclass(frozen=True)
class RunResult:
    """One run, as a policy drove it.

    Attributes:
        seed: that the environment was reset with.
        quality: the objective's quality on the test set at the end.
        validation: the same on the validation set.
        cost: of the run.
        keep_fraction: mean share kept over the steps at which something was selected.
        episode_return: sum of the environment's rewards.
        steps: at which something was selected.
        seconds: of the whole run, the agent's own time included.
        agent_seconds: those spent outside the environment.
        mislabelled: share of the kept samples that were mislabelled, over the steps at which something was selected;
            None where the true labels are not known.
        mislabelled_late: the same over the last quarter of those steps.
        worst_class: the lowest quality of a class on the test set at the end; None where the objective has no classes.
        token_cost: cost of the run in tokens; None where the samples have no lengths.
        seconds_by_part: from the beginning of the warm-up to the end, see :data:`~data_select_gym.seconds.PARTS`; two
            results that differ in nothing else are equal.
    """

    seed: int
    quality: float
    validation: float
    cost: float
    keep_fraction: float
    episode_return: float
    steps: int
    seconds: float
    agent_seconds: float
    mislabelled: float | None = None
    mislabelled_late: float | None = None
    worst_class: float | None = None
    token_cost: float | None = None
    seconds_by_part: dict[str, float] = field(default_factory=dict, compare=False)


class Policy:
    """Base of the policies: a subclass has :meth:`select`, or drives a run in a way of its own.

    Attributes:
        budgeted: whether the keep ratio makes a difference to it.
        keeper: that writes checkpoints of the run it drives; None for none.
    """

    budgeted = True
    keeper: Keeper | None = None

    def environment(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
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
        check_needs(env, self.environment(replace(env.plan, length=1.0), env.keep_ratio))

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

    def play(self, env: DataSelectEnv, seed: int) -> None:
        """Reset the environment with ``seed`` and step it to the end of the run."""
        observation, _ = env.reset(seed=seed)
        over = env.run.done  # if it goes on from a checkpoint
        if not over:
            self._begin(env)
        while not over:
            if self.keeper is not None:
                self.keeper.offer(self.state)
            observation, _, over, _, _ = env.step(self.select(observation))

    def _begin(self, env: DataSelectEnv) -> None:
        if self.keeper is None or self.keeper.policy_state is None:
            self.start(env)
        else:
            self.resume(env, self.keeper.policy_state)


class UserPolicy(Policy):
    """A user's callable, or object with ``select`` and, if it likes, ``start``.

    One that remembers something needs ``state_dict`` and ``load_state_dict`` too, for its runs to go on from
    checkpoints to the bit.
    """

    def __init__(self, policy: Selects | Callable[[NDArray[np.float32]], NDArray[Any]]) -> None:
        self.policy = policy
        self.choose = policy.select if isinstance(policy, Selects) else policy

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


class CoevolvingPolicy(Policy):
    """A model of Stable-Baselines3 that learns within the run that it steers, from nothing.

    Attributes:
        model: the model of the last run; None before the first.
    """

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.model: BaseAlgorithm | None = None

    def environment(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
        """See :meth:`Policy.environment`."""
        return self.algorithm.environment(plan, keep_ratio)

    def check(self, env: DataSelectEnv) -> None:
        """See :meth:`Policy.check`.

        Raises:
            ValueError: see there, or the algorithm would learn nothing from a single run.
            ImportError: the algorithm is one of sb3-contrib's, which is not installed.
        """
        if self.algorithm.across_runs:
            raise ValueError(self.algorithm.across_runs)
        super().check(env)
        with OwnRandomness(0, choose_device("auto")):
            slots = SamplewiseVecEnv(env, action=self.algorithm.action)
            check_learns(self.algorithm.make(slots), slots.steps_per_run)

    def play(self, env: DataSelectEnv, seed: int) -> None:
        """Learn from one run; a new model is made for each."""
        slots = SamplewiseVecEnv(env, action=self.algorithm.action)
        # A model on a GPU draws its actions there.
        randomness = OwnRandomness(seed, choose_device("auto"))
        with randomness:
            self.model = self.algorithm.make(slots)
            slots.seed(seed)
            if self.keeper is None:
                learn_run(self.model, log_interval=slots.num_envs)
            else:
                keep_learning(self.model, self.keeper, randomness)


def drive(policy: Policy, env: gym.Env[Any, Any], seed: int, *, checkpoints: Checkpoints | None = None) -> RunResult:
    """Let a policy drive one whole run.

    With ``checkpoints`` it goes on from the newest that is there; on a CPU the outcome is then, to the bit, that of a
    run that was never interrupted. On SIGINT and SIGTERM one is written before :class:`~data_select_gym.agents.Stopped`
    is raised. They are removed when the run is over.

    Args:
        policy: the policy.
        env: the environment, which has what the policy needs: :func:`~data_select_gym.agents.make_env` makes it;
            wrappers that only check are looked through.
        seed: of the run; the same seed gives the same initial weights and pools to every policy.
        checkpoints: of this run; none are written if None.

    Raises:
        TypeError: ``env`` is another kind of environment, or another argument is of the wrong type.
        ValueError: ``seed`` is below 0, the policy cannot serve this environment, or the checkpoint is of another run,
            that is of another policy, parameters of it included, seed or environment.
        Stopped: the process was asked to stop, and a checkpoint was written.
    """
    check_kind("policy", policy, Policy)
    if checkpoints is None:
        return drive_on(policy, env, seed, None, "")
    result = drive_on(policy, env, seed, checkpoints, describe_object(policy))
    checkpoints.clear()
    return result


def drive_on(
    policy: Policy, env: gym.Env[Any, Any], seed: int, checkpoints: Checkpoints | None, described: str
) -> RunResult:
    """As :func:`drive`, for a caller that removes the checkpoints itself once it has stored the result.

    Args:
        policy: the policy.
        env: the environment.
        seed: of the run.
        checkpoints: of this run; none are written if None.
        described: what the policy is, which must be the same for it to go on from a checkpoint.

    Raises:
        OtherRunError: the checkpoint is of another policy or seed.
        Exception: as :func:`drive`.
    """
    check_count("seed", seed, least=0)
    joint = make_joint(env)
    policy.check(joint)
    if checkpoints is None:
        before, began = joint.seconds, time.perf_counter()
        policy.play(joint, seed)
        seconds, within = time.perf_counter() - began, joint.seconds - before
    else:
        check_kind("checkpoints", checkpoints, Checkpoints)
        notes = {"policy": described, "seed": int(seed)}
        keeper = policy.keeper = Keeper(joint, checkpoints, notes)
        try:
            with keeper.watching(policy.state_while_unasked):
                policy.play(joint, seed)
        finally:
            policy.keeper = None
        seconds, within = keeper.seconds
    run = joint.run
    return RunResult(
        seed=seed,
        quality=run.quality,
        validation=run.evaluations[-1].validation[run.task.objective.quality],
        cost=run.cost,
        keep_fraction=float(np.mean([share for _, share in joint.keep_fractions])),
        episode_return=joint.episode_return,
        steps=len(joint.keep_fractions),
        seconds=seconds,
        agent_seconds=seconds - within,
        mislabelled=_mislabelled(joint, len(joint.keep_fractions)),
        mislabelled_late=_mislabelled(joint, math.ceil(len(joint.keep_fractions) / 4)),
        worst_class=min((value for value in run.evaluations[-1].by_class if value is not None), default=None),
        token_cost=run.token_cost,
        seconds_by_part=run.seconds_by_part,
    )


def _mislabelled(env: DataSelectEnv, steps: int) -> float | None:
    """Share mislabelled of what was kept over the last ``steps`` steps; None where the true labels are not known."""
    if not env.mislabelled:
        return None
    kept = np.array([share for _, share in env.keep_fractions[-steps:]])
    return float(kept @ env.mislabelled[-steps:] / kept.sum()) if kept.any() else 0.0
