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


def make_policy(policy: Any = None, /, **options: Any) -> Policy:
    """Make a policy from a name, a file, a model, a function or an object.

    Options may follow the name: ``"ppo:n_steps=5:learning_rate=1e-3"`` is ``make_policy("ppo", n_steps=5,
    learning_rate=1e-3)``. Values are written as in JSON or Python.

    Args:
        policy: one of these:

            - a name of :data:`POLICIES`, with or without options
            - the path of a ``.zip`` file written by :func:`~data_select_gym.agents.save_model` or
              ``data-select-gym train``; it is unpickled, so trust its origin
            - a Stable-Baselines3 model learned in the samplewise view, which is then frozen
            - a function from an observation ``(P, F)`` to a keep mask or loss weights ``(P,)``
            - an object with such a method ``select`` and, optionally, ``start``, which is called with the environment
              when a run begins; or a class of such objects
            - ``"module:object"`` for one of these three
        options: arguments of a rule, such as ``prune_ratio`` of ``infobatch``; of the class of a learned policy, such
            as ``n_steps`` of ``ppo``, instead of the bundled settings; or of your class.

    Raises:
        ValueError: the name is unknown, and the message lists the known ones; the file is of another kind; or the
            model's environment has a wrapper that changes what the model sees or does and would be left out here.
        FileNotFoundError: there is no such file.
        TypeError: ``policy`` is none of these, or an option is not taken, and the message lists those that are.
    """
    if policy is None and "policy" in options:
        policy = options.pop("policy")  # given by name; beside a name it is an option, as of ppo
    if names_file(policy):
        policy = load_policy(policy)
    elif isinstance(policy, str):
        policy, written = read_policy(policy)
        twice = [name for name in written if name in options]
        if twice:
            raise TypeError(f"got multiple values for argument {twice[0]!r}; policy={policy!r} has it already")
        options = written | options
        if names_file(policy):
            raise unexpected(options, f"policy={policy!r} is a file, which takes no options")
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
    known, colon, rest = name.partition(":")
    if colon and names_file(known):
        raise ValueError(f"policy={name!r}: {known!r} is a file, which takes no options")
    if colon and known in POLICIES:
        if not rest:
            raise ValueError(f"policy={name!r} ends with a colon; write {known!r}, or NAME=VALUE behind it")
        raise ValueError(f"policy={name!r}: the options of {known} are written as NAME=VALUE, '{known}:{rest}=...'")
    if colon:
        return import_named("policy", name)
    return POLICIES.find("policy", name)
