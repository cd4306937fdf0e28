"""Running a policy from the beginning of a run to its end."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from data_select_gym.agents.budget import BudgetWarning, off_budget
from data_select_gym.agents.fingerprint import object_fingerprint
from data_select_gym.agents.policy import Policy
from data_select_gym.agents.run_checkpointer import RunCheckpointer
from data_select_gym.arguments import check_count, check_kind
from data_select_gym.envs import DataSelectEnv, as_base_env
from data_select_gym.training import RunCallback
from data_select_gym.training.checkpoints import Checkpoints


@dataclass(frozen=True)
class RunResult:
    """The result of one run of a policy.

    Attributes:
        seed: that the environment was reset with.
        quality: the objective's quality on the test set at the end.
        validation: the same on the validation set.
        cost: of the run.
        keep_fraction: mean share kept over the steps at which something was selected.
        episode_return: sum of the environment's rewards.
        steps: at which something was selected.
        seconds: of the whole run, including the agent's.
        agent_seconds: those spent outside the environment.
        worst_class: the lowest quality of a class on the test set at the end; None where the objective has no classes.
        token_cost: cost of the run in tokens; None where the samples have no lengths.
        seconds_by_part: from the beginning of the warm-up to the end, see
            :data:`~data_select_gym.phase_timer.PHASES`; not compared when two results are.
        problems: share of the kept samples that had a known problem, such as ``"mislabelled"``, over the steps at which
            something was selected, by its name.
        problems_late: the same over the last quarter of those steps.
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
    worst_class: float | None = None
    token_cost: float | None = None
    seconds_by_part: dict[str, float] = field(default_factory=dict, compare=False)
    problems: dict[str, float] = field(default_factory=dict, hash=False)
    problems_late: dict[str, float] = field(default_factory=dict, hash=False)

    @property
    def mislabelled(self) -> float | None:
        """Share of the kept samples that were mislabelled; None where the true labels are not known."""
        return self.problems.get("mislabelled")

    @property
    def mislabelled_late(self) -> float | None:
        """The same over the last quarter of the steps."""
        return self.problems_late.get("mislabelled")


def run_policy(
    policy: Policy,
    env: gym.Env[Any, Any],
    seed: int,
    *,
    checkpoints: Checkpoints | None = None,
    callbacks: Sequence[RunCallback] = (),
) -> RunResult:
    """Run a policy for one whole run.

    With ``checkpoints`` the run resumes from the newest one; on a CPU the result is bit-identical to that of an
    uninterrupted run. On SIGINT and SIGTERM one is written before :class:`~data_select_gym.agents.Stopped` is raised.
    They are removed at the end of the run.

    A :class:`~data_select_gym.agents.BudgetWarning` names a frozen model that keeps or drops if its share kept over the
    last ten steps differs from the keep ratio by more than a fifth.

    Args:
        policy: the policy.
        env: the environment, which has what the policy needs: :func:`~data_select_gym.agents.make_env` makes it;
            it may be within wrappers that only check.
        seed: of the run; the same seed gives the same initial weights and pools to every policy.
        checkpoints: of this run; none are written if None.
        callbacks: for this run, after those of the environment; :class:`~data_select_gym.training.RunCallback` or
            :class:`~data_select_gym.envs.EnvCallback`.

    Raises:
        TypeError: ``env`` is another kind of environment, or another argument is of the wrong type.
        ValueError: ``seed`` is below 0, the policy cannot serve this environment, or the checkpoint is of another run,
            that is of another policy, parameters of it included, seed or environment.
        Stopped: the process was asked to stop, and a checkpoint was written.
    """
    check_kind("policy", policy, Policy)
    described = "" if checkpoints is None else object_fingerprint(policy)
    result = run_with_checkpoints(policy, env, seed, checkpoints, described, callbacks)
    if checkpoints is not None:
        checkpoints.clear()
    if policy.keeps_freely:
        joint = as_base_env(env)
        missed = off_budget([share for _, share in joint.keep_fractions], joint.keep_ratio)
        if missed:
            warnings.warn(f"seed {result.seed}: {missed}", BudgetWarning, stacklevel=2)
    return result


def run_with_checkpoints(
    policy: Policy,
    env: gym.Env[Any, Any],
    seed: int,
    checkpoints: Checkpoints | None,
    described: str,
    callbacks: Sequence[RunCallback] = (),
) -> RunResult:
    """As :func:`run_policy`, for a caller that removes the checkpoints after storing the result.

    Args:
        policy: the policy.
        env: the environment.
        seed: of the run.
        checkpoints: of this run; none are written if None.
        described: what the policy is; to resume from a checkpoint it must be the same.
        callbacks: for this run.

    Raises:
        OtherRunError: the checkpoint is of another policy or seed.
        Exception: as :func:`run_policy`.
    """
    seed = check_count("seed", seed, least=0)
    joint = as_base_env(env)
    policy.check(joint)
    with joint.listened_to_by(callbacks):
        if checkpoints is None:
            before, began = joint.seconds, time.perf_counter()
            policy.run(joint, seed)
            seconds, within = time.perf_counter() - began, joint.seconds - before
        else:
            check_kind("checkpoints", checkpoints, Checkpoints)
            notes = {"policy": described, "seed": seed}
            checkpointer = policy.checkpointer = RunCheckpointer(joint, checkpoints, notes)
            try:
                with checkpointer.watching(policy.idle_state_dict):
                    policy.run(joint, seed)
            finally:
                policy.checkpointer = None
            seconds, within = checkpointer.seconds
    run = joint.run
    return RunResult(
        seed=seed,
        quality=run.quality,
        validation=run.validation,
        cost=run.cost,
        keep_fraction=float(np.mean([share for _, share in joint.keep_fractions])),
        episode_return=joint.episode_return,
        steps=len(joint.keep_fractions),
        seconds=seconds,
        agent_seconds=seconds - within,
        worst_class=min((value for value in run.evaluations[-1].by_class if value is not None), default=None),
        token_cost=run.token_cost,
        seconds_by_part=run.seconds_by_part,
        problems=_problems(joint, len(joint.keep_fractions)),
        problems_late=_problems(joint, math.ceil(len(joint.keep_fractions) / 4)),
    )


def _problems(env: DataSelectEnv, steps: int) -> dict[str, float]:
    """Shares of what was kept over the last ``steps`` steps that had known problems."""
    kept = np.array([share for _, share in env.keep_fractions[-steps:]])
    every = max(kept.sum(), np.finfo(float).tiny)
    return {name: float(kept @ shares[-steps:] / every) for name, shares in env.problem_shares.items()}
