"""Names of an earlier version, which still work for one release and warn."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def deprecated_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` for what was renamed in it.

    Args:
        module: its ``__name__``.
        names: the new names by the old ones.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_renamed(f"{module}.{name}", f"{module}.{names[name]}", stacklevel=3)
        return getattr(sys.modules[module], names[name])

    return find


def renamed_member(owner: type, old: str, new: str) -> None:
    """Give a class that defines a member under its old name the same member under its new name, with a warning."""
    if old in vars(owner) and new not in vars(owner):
        warn_renamed(f"{owner.__name__}.{old}", f"{owner.__name__}.{new}", stacklevel=4)
        setattr(owner, new, vars(owner)[old])


def call_renamed(owner: type, thing: Any, old: str, new: str, *arguments: Any) -> Any:
    """What a method of ``owner`` does under its old name: warn, and do what the method does under its new one.

    If subclasses have overridden the old name, :func:`renamed_member` has given them the new one; then this is their
    ``super()``, and what they have inherited is called.
    """
    warn_renamed(f"{owner.__name__}.{old}", f"{owner.__name__}.{new}", stacklevel=3)
    for kind in type(thing).__mro__:
        method = vars(kind).get(new)
        if method is not None and method is not vars(kind).get(old):
            return method(thing, *arguments)
    raise NotImplementedError(f"{type(thing).__name__} has no {new}")


def warn_renamed(old: str, new: str, *, stacklevel: int) -> None:
    """Warn that ``old`` is now called ``new``; ``stacklevel`` counts from the caller of this function's caller."""
    warnings.warn(
        f"{old} is called {new} now; the old name goes in version 0.3", DeprecationWarning, stacklevel=stacklevel + 1
    )
