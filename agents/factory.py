"""Policies from whatever a user gives: a name, a file, a model, a function or an object."""

from __future__ import annotations

import inspect
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents.fingerprint import names_file
from data_select_gym.agents.learned.algorithm import Algorithm
from data_select_gym.agents.learned.frozen import FrozenPolicy
from data_select_gym.agents.learned.online import OnlinePolicy
from data_select_gym.agents.learned.saved import load_policy
from data_select_gym.agents.naming import read_policy
from data_select_gym.agents.policy import Policy
from data_select_gym.agents.registry import POLICIES
from data_select_gym.agents.user_policy import Selects, UserPolicy
from data_select_gym.arguments import import_named, unexpected


def make_policy(policy: Any, **options: Any) -> Policy:
    """The policy that is meant by a name, a model, a callable or an object.

    Options can be written behind the name: ``"ppo:n_steps=5:learning_rate=1e-3"`` is ``make_policy("ppo", n_steps=5,
    learning_rate=1e-3)``. Values are as in JSON or Python.

    Args:
        policy: one of :data:`POLICIES`, maybe with options behind it; the path of a file that
            :func:`~data_select_gym.agents.save_model` or ``data-select-gym train`` wrote, which ends with ``.zip`` and
            is unpickled, so that its origin must be trusted; ``"module:object"`` for one of the following; a model of
            Stable-Baselines3 learned in the samplewise view, which is then frozen; a callable from an observation
            ``(P, F)`` to a keep mask or loss weights ``(P,)``; or an object with such a method ``select`` and, if it
            likes, ``start``, which is called with the environment when a run begins; or a class of such objects, which
            is then made.
        options: arguments of a rule, such as ``prune_ratio`` of ``infobatch``; of the class of a learned policy, such
            as ``n_steps`` of ``ppo``, in the place of ours; or of a class of your own.

    Raises:
        ValueError: an unknown name, and then the message lists the known ones; a file of another kind; or a model
            whose environment is within a wrapper that would be left out here, and changes what it sees or does.
        FileNotFoundError: there is no such file.
        TypeError: none of these, options for what takes none, or one that is not taken, and then the message lists
            those that are.
    """
    if names_file(policy):
        policy = load_policy(policy)
    elif isinstance(policy, str):
        policy, written = read_policy(policy)
        twice = [name for name in written if name in options]
        if twice:
            raise TypeError(f"got multiple values for argument {twice[0]!r}; policy={policy!r} has it already")
        options = written | options
        policy = named(policy)
    if isinstance(policy, type):
        known = inspect.signature(policy).parameters
        unknown = [name for name in options if name not in known]
        if unknown:
            raise unexpected(unknown, f"this policy takes: {', '.join(known) or 'none'}", known)
        policy, options = policy(**options), {}
    if isinstance(policy, Algorithm):
        return OnlinePolicy(policy, **options)
    if options:
        raise unexpected(options, f"policy={policy!r} takes no options")
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, BaseAlgorithm):
        return FrozenPolicy(policy)
    if isinstance(policy, Selects) or callable(policy):
        return UserPolicy(policy)
    raise TypeError(
        f"policy={policy!r} is not a name, a file, a model, a callable or an object with select(observation)"
    )


def named(name: str) -> Any:
    """What a name stands for: a rule's class, an algorithm, or an object of a module.

    Raises:
        ValueError: it stands for nothing.
    """
    known, _, rest = name.partition(":")
    if rest and known in POLICIES:
        raise ValueError(f"policy={name!r}: the options of {known} are written as NAME=VALUE, '{known}:{rest}=...'")
    if ":" in name:
        return import_named("policy", name)
    return POLICIES.find("policy", name)
