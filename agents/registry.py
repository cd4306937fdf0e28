"""Policies by name: where rules and algorithms register, and which of them can serve here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from importlib.util import find_spec
from typing import Any, TypeVar

from data_select_gym.agents.learned.algorithm import Algorithm
from data_select_gym.agents.rule import Rule
from data_select_gym.arguments import kind_check
from data_select_gym.registry import Registries, Registry, calling_module

Kind = TypeVar("Kind", bound=type[Rule])


def check_rule(rule: Any) -> type[Rule]:
    """Return ``rule`` if it is a class of rules that can be made.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(rule, type) or not issubclass(rule, Rule):
        raise TypeError(f"rule={rule!r:.100} is not a subclass of data_select_gym.agents.Rule")
    if inspect.isabstract(rule):
        missing = ", ".join(sorted(rule.__abstractmethods__))
        raise TypeError(f"rule={rule!r:.100} lacks: {missing}")
    return rule


check_algorithm = kind_check("algorithm", Algorithm)

RULES: Registry[type[Rule]] = Registry("rule", "data_select_gym.agents.rules", check_rule)
ALGORITHMS: Registry[Algorithm] = Registry("algorithm", "data_select_gym.agents.learned.algorithms", check_algorithm)
POLICIES: Registries[type[Rule] | Algorithm] = Registries(RULES, ALGORITHMS)


def register_rule(
    name: str, *, description: str = "", paper: str = "", needs: Collection[str] = ()
) -> Callable[[Kind], Kind]:
    """Register a class of rules as a policy by name.

    Example:
        >>> from data_select_gym.agents import Rule, make_policy
        >>> @register_rule("surest")
        ... class Surest(Rule):
        ...     '''The share with the highest confidence.'''
        ...
        ...     def choose(self, candidates):
        ...         return candidates.best(candidates.signals.confidence)
        >>> type(make_policy("surest")).__name__
        'Surest'

    Args:
        name: of the policy.
        description: one line; the first of the docstring if empty.
        paper: an arXiv id or a citation.
        needs: what it takes beyond a plain installation and a plain run.

    Raises:
        ValueError: the name is taken, or is not one of letters, digits, ``-``, ``_`` and ``.``.
        TypeError: what is decorated is not a subclass of :class:`~data_select_gym.agents.Rule`, or it is abstract.
    """
    register: Callable[[Kind], Kind] = RULES.register(
        name, description=description, paper=paper, needs=needs, module=calling_module(2)
    )
    return register


def register_algorithm(
    name: str, algorithm: Algorithm, *, description: str = "", paper: str = "", needs: Collection[str] = ()
) -> Algorithm:
    """Register how a model of Stable-Baselines3 is made as a policy by name.

    Args:
        name: of the policy.
        algorithm: how its models are made.
        description: one line; that of the algorithm if empty.
        paper: an arXiv id or a citation.
        needs: what it takes beyond a plain installation and a plain run.

    Raises:
        ValueError: the name is taken, or is not one of letters, digits, ``-``, ``_`` and ``.``.
        TypeError: ``algorithm`` is no :class:`~data_select_gym.agents.Algorithm`.
    """
    check_algorithm(algorithm)
    ALGORITHMS.register(name, algorithm, description=description, paper=paper, needs=needs, module=calling_module(2))
    return algorithm


def available_policies() -> tuple[str, ...]:
    """Names of all policies that can serve here: what they need is installed, and they need no training first."""
    installed = find_spec("sb3_contrib") is not None
    learned = [name for name, known in ALGORITHMS.items() if not known.across_runs and (installed or not known.contrib)]
    return (*RULES, *learned)
