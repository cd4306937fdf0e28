"""The environment of a policy."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from data_select_gym.agents.needs import differing
from data_select_gym.agents.policy import CoevolvingPolicy, Policy
from data_select_gym.arguments import check_kind, check_share
from data_select_gym.envs import DataSelectEnv, make_joint
from data_select_gym.training import Plan


def make_env(policy: Policy, env: str, *, keep_ratio: float = 0.5, **options: Any) -> DataSelectEnv:
    """The environment that a policy needs for a run.

    What the policy needs, see :meth:`Policy.environment`, comes before ``options``; a warning tells where it takes the
    place of one that was given. ``data-agent`` needs another keep ratio than this, since it does not anneal.

    Example:
        >>> from data_select_gym.agents import drive, make_policy
        >>> policy = make_policy("data-agent")
        >>> env = make_env(policy, "DataSelect/Digits-v0", epochs=4)
        >>> env.keep_ratio, env.plan.anneal_fraction
        (0.6666666666666667, 0.0)
        >>> round(drive(policy, env, seed=0).cost, 2)
        0.75

    Args:
        policy: the policy.
        env: id of the environment.
        keep_ratio: the share of candidates meant to be kept, in (0, 1].
        options: other arguments of the environment.

    Raises:
        TypeError: ``policy`` is no policy, ``env`` is no id of such an environment, or an option is of the wrong type.
        ValueError: ``keep_ratio`` or an option is out of its range.
    """
    check_kind("policy", policy, Policy)
    check_kind("env", env, str)
    check_share("keep_ratio", keep_ratio)
    # What a policy needs depends on the plan, and that on the task.
    outline = make_joint(env, keep_ratio=keep_ratio, **options)
    arguments = environment_arguments(policy, outline.plan, keep_ratio, options)
    name = policy.algorithm.description if isinstance(policy, CoevolvingPolicy) else type(policy).__name__
    for line in overridden(options, arguments):
        warnings.warn(f"{name}: {line}", UserWarning, stacklevel=2)
    return make_joint(env, **arguments)


def environment_arguments(policy: Policy, plan: Plan, keep_ratio: float, options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the environment of a policy.

    Args:
        policy: the policy.
        plan: of a run in an environment with the ``options``.
        keep_ratio: the share of candidates meant to be kept.
        options: other arguments that were given.
    """
    return {"keep_ratio": keep_ratio, **options} | policy.environment(plan, keep_ratio)


def overridden(options: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """A line for each option that was given and of which the environment of a policy has another value."""
    return [
        f"{name}={options[name]!r} was given, and {name}={arguments[name]!r} is used, which the policy needs"
        for name in differing(options, arguments)
    ]
