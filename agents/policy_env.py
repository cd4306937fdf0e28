"""The environment of a policy."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from data_select_gym.agents.learned.online import OnlinePolicy
from data_select_gym.agents.policy import Policy
from data_select_gym.agents.required_config import differing
from data_select_gym.arguments import check_kind, check_share
from data_select_gym.envs import DataSelectEnv, as_base_env
from data_select_gym.envs.config import current_names
from data_select_gym.training import Plan


def make_env(
    policy: Policy, env: str, *, keep_ratio: float | None = None, cost: float | None = None, **options: Any
) -> DataSelectEnv:
    """Make the environment that a policy needs for a run.

    What the policy requires, see :meth:`Policy.required_config`, comes before ``options``; a warning says which of them
    it replaces. ``data-agent`` needs another keep ratio than this, since it does not anneal.

    Example:
        >>> from data_select_gym.agents import run_policy, make_policy
        >>> policy = make_policy("data-agent")
        >>> env = make_env(policy, "DataSelect/Digits-v0", epochs=4)
        >>> env.keep_ratio, env.plan.anneal_fraction
        (0.6666666666666667, 0.0)
        >>> round(run_policy(policy, env, seed=0).cost, 2)
        0.75

    Args:
        policy: the policy.
        env: id of the environment.
        keep_ratio: the share of candidates meant to be kept, in (0, 1]; 0.5 if neither it nor ``cost`` is given.
        cost: of the run, instead of ``keep_ratio``, which is then chosen to fit warm-up, annealing and extra forward
            passes. With a policy that is not held to the keep ratio, the run costs what it costs.
        options: other arguments of the environment.

    Raises:
        TypeError: ``policy`` is no policy, ``env`` is no id of such an environment, or an option is of the wrong type.
        ValueError: ``keep_ratio``, ``cost`` or an option is out of its range, or ``keep_ratio`` and ``cost`` are both
            given. A ``cost`` that no run has is an error that lists the possible ones.
    """
    check_kind("policy", policy, Policy)
    check_kind("env", env, str)
    if keep_ratio is not None and cost is not None:
        raise ValueError(f"keep_ratio={keep_ratio!r} and cost={cost!r}: one follows from the other; give one of them")
    options = current_names(options)
    share = 1.0 if cost is not None else check_share("keep_ratio", 0.5 if keep_ratio is None else keep_ratio)
    # What a policy needs depends on the plan, and that on the task.
    outline = as_base_env(env, keep_ratio=share, **options)
    arguments = environment_arguments(policy, outline.plan, share, options)
    if cost is not None and policy.uses_keep_ratio:
        arguments |= policy.at_cost(as_base_env(env, **arguments).plan, cost)
    name = policy.algorithm.description if isinstance(policy, OnlinePolicy) else type(policy).__name__
    for line in overridden(policy, options, arguments):
        warnings.warn(f"{name}: {line}", UserWarning, stacklevel=2)
    return as_base_env(env, **arguments)


def environment_arguments(policy: Policy, plan: Plan, keep_ratio: float, options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the environment of a policy.

    Args:
        policy: the policy.
        plan: of a run in an environment with the ``options``.
        keep_ratio: the share of candidates meant to be kept.
        options: other arguments that were given.
    """
    return {"keep_ratio": keep_ratio, **options} | policy.required_config(plan, keep_ratio)


def overridden(policy: Policy, options: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """A line for each given option that a policy reads, if its environment has another value."""
    return [
        f"{name}={options[name]!r} was given, and {name}={arguments[name]!r} is used, which the policy needs"
        for name in differing(options, arguments)
        if name not in policy.unread
    ]
