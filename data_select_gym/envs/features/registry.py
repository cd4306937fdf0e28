"""Features by name, as ``"module:function"`` or as functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from torch import Tensor

from data_select_gym.arguments import (
    check_callable,
    check_choice,
    check_kind,
    did_you_mean,
    import_named,
    is_number,
    kind_check,
)
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.registry import Registry, calling_module, describe

Read = TypeVar("Read", bound=Callable[[PoolView], Tensor])
# What is only recorded on request.
NEEDS = ("alignment", "embedding")
DEFAULT_FEATURES = ("loss", "uncertainty", "confidence", "margin", "age", "visits", "progress", "price")


@dataclass(frozen=True)
class Feature:
    """One feature: its range, what it is, and how it is read, as ``(P,)`` or ``(P, D)``.

    ``needs`` says what must be recorded for it, among :data:`NEEDS`.
    """

    low: float
    high: float
    description: str
    read: Callable[[PoolView], Tensor]
    needs: frozenset[str] = frozenset()


FEATURES: Registry[Feature] = Registry("feature", "data_select_gym.envs.features", kind_check("feature", Feature))
# Those given as functions or as "module:function", by these names.
UNREGISTERED: dict[str, Feature] = {}
# The names of those given as functions.
FUNCTIONS: dict[Callable[[PoolView], Tensor], str] = {}


@overload
def register_feature(
    name: str,
    function: Read,
    *,
    low: float = ...,
    high: float = ...,
    description: str = ...,
    paper: str = ...,
    needs: Iterable[str] = ...,
) -> Read: ...


@overload
def register_feature(
    name: str,
    function: None = None,
    *,
    low: float = ...,
    high: float = ...,
    description: str = ...,
    paper: str = ...,
    needs: Iterable[str] = ...,
) -> Callable[[Read], Read]: ...


def register_feature(
    name: str,
    function: Any = None,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    description: str = "",
    paper: str = "",
    needs: Iterable[str] = (),
) -> Any:
    """Register a custom feature by name, in this process; it replaces an earlier custom one of that name.

    Example:
        >>> import gymnasium as gym
        >>> import data_select_gym
        >>> @register_feature("loss_rank", low=0, high=1)
        ... def loss_rank(view):
        ...     return rank(view.signals.loss)
        >>> gym.make("DataSelect/Digits-v0", features=["loss_rank", "price"]).observation_space.shape
        (128, 2)

    Args:
        name: other than those of the bundled features.
        function: from a :class:`PoolView` to a tensor ``(P,)``; where a value is no number, it becomes 0. Left out,
            this is a decorator for it.
        low: the least value; what is below is clipped to it.
        high: the largest.
        description: one line; the first of the docstring if empty.
        paper: an arXiv id or a citation.
        needs: what must be recorded for it: ``"alignment"`` or ``"embedding"``.

    Raises:
        ValueError: the name is taken by a bundled feature, or is not one of letters, digits, ``-``, ``_`` and ``.``;
            the range is none; or something unknown is needed.
        TypeError: ``name`` is no text, or ``function`` cannot be called.
    """
    module = calling_module(2)
    wanted = tuple(check_kind("needs", needs, Iterable))
    FEATURES.check_texts(name, description, paper, wanted)

    def register(function: Read) -> Read:
        feature = _custom_feature(check_callable("function", function), low, high, description, wanted)
        line = description or describe("feature", function)
        FEATURES.register(name, feature, description=line, paper=paper, needs=wanted, module=module, replace=True)
        return function

    return register if function is None else register(function)


def _custom_feature(
    function: Callable[[PoolView], Tensor], low: Any, high: Any, description: str, needs: Iterable[str]
) -> Feature:
    name = getattr(function, "__name__", type(function).__name__)
    ends = [is_number(end) or (isinstance(end, float) and math.isinf(end)) for end in (low, high)]
    if not all(ends) or not low < high:
        raise ValueError(f"low={low!r} and high={high!r} are not the ends of a range")
    check_kind("description", description, str)
    for need in (needs := frozenset(check_kind("needs", needs, Iterable))):
        check_choice("needs", need, NEEDS)

    def read(view: PoolView) -> Tensor:
        values = function(view)
        wanted = view.signals.loss
        if not isinstance(values, Tensor) or values.shape != wanted.shape:
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(f"the feature {name} gave {got}; a tensor of shape {tuple(wanted.shape)} is needed")
        return values.detach().to(wanted)

    return Feature(float(low), float(high), description, read, needs)


def find_feature(name: str) -> Feature:
    """The feature of a name that :func:`check_features` has let through."""
    return UNREGISTERED[name] if name in UNREGISTERED else FEATURES[name]


def _name_of(given: Any) -> str:
    """The name of a feature that is given by its name, as ``"module:function"`` or as a function."""
    if isinstance(given, str) and (given in UNREGISTERED or given in FEATURES):
        return given
    if isinstance(given, str) and ":" in given:
        UNREGISTERED[given] = _of_function(check_callable("features", import_named("features", given)))
        return given
    if not callable(given):
        names = [*FEATURES, *UNREGISTERED]
        raise ValueError(
            f"features={given!r} is not known; known are: {', '.join(names)}, 'module:function' or a function"
            f"{did_you_mean([given], names)}"
        )
    if given in FUNCTIONS:
        return FUNCTIONS[given]
    plain = f"{given.__module__}:{getattr(given, '__qualname__', type(given).__qualname__)}"
    others = sum(other.partition("#")[0] == plain for other in FUNCTIONS.values())
    FUNCTIONS[given] = name = f"{plain}#{others + 1}" if others else plain
    UNREGISTERED[name] = _of_function(given)
    return name


def _of_function(function: Callable[[PoolView], Tensor]) -> Feature:
    """The feature of a function, whose attributes may say its range and what it needs."""
    low, high = getattr(function, "low", -math.inf), getattr(function, "high", math.inf)
    return _custom_feature(function, low, high, function.__doc__ or "", getattr(function, "needs", ()))


def check_features(features: Sequence[str | Callable[[PoolView], Tensor]]) -> tuple[str, ...]:
    """The names of the features as a tuple; those of functions are ``"module:function"``.

    Raises:
        ValueError: there are none, one is unknown, or one comes twice.
        TypeError: they are not in a sequence.
    """
    if not isinstance(features, Iterable):
        raise TypeError(f"features={features!r} is not a sequence of names")
    names = tuple(map(_name_of, (features,) if isinstance(features, str) else features))
    if not names or len(set(names)) < len(names):
        raise ValueError(f"features={names!r} must name at least one feature and none twice")
    return names
