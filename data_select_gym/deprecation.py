"""Names of an earlier version, which still work for one release and warn."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from types import FrameType, FunctionType, MappingProxyType, MethodType
from typing import Any

# Packages that may be called between a user's line and the warning; "importlib" has two names.
STANDARD = {"abc", "contextlib", "functools", "importlib", "_frozen_importlib"}
BETWEEN = {"data_select_gym", "gymnasium", "stable_baselines3", "torch", *STANDARD}


def deprecated_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` for what was renamed in it.

    Args:
        module: its ``__name__``.
        names: the new names by the old ones.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        # "from module import name" asks twice: first the import system, which only wants to know whether it is there.
        if package_of(sys._getframe(1)) not in ("importlib", "_frozen_importlib"):
            warn_renamed(f"{module}.{name}", f"{module}.{names[name]}")
        return getattr(sys.modules[module], names[name])

    return find


class RenamedMember:
    """A member of a class under its old name; reading it warns.

    A method is that of the class on which the old name was found, so that ``super()`` works under old names too.
    """

    def __init__(self, new: str, adapt: Callable[[Any], Any] | None = None) -> None:
        """Stand for the member ``new`` of the class; ``adapt`` makes the old method of the new one."""
        self.new = new
        self.adapt = adapt

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.old = owner, name
        inherited = (vars(base).get(name) for base in owner.__mro__[1:])
        self.known_as: str = next(
            (each.known_as for each in inherited if isinstance(each, RenamedMember)), owner.__name__
        )

    def __get__(self, instance: Any, owner: type) -> Any:
        warn_renamed(f"{self.known_as}.{self.old}", f"{self.known_as}.{self.new}")
        member = vars(self.owner).get(self.new)
        if not isinstance(member, FunctionType):
            return getattr(owner if instance is None else instance, self.new)
        method = member if self.adapt is None else self.adapt(member)
        return method if instance is None else MethodType(method, instance)


class RenamedAttribute(RenamedMember):
    """One that is no method: setting it warns, too, and sets the new one."""

    def __set__(self, instance: Any, value: Any) -> None:
        warn_renamed(f"{self.known_as}.{self.old}", f"{self.known_as}.{self.new}")
        setattr(instance, self.new, value)


def rename_members(
    owner: type, names: Mapping[str, str], adapt: Mapping[str, Callable[[Any], Any]] = MappingProxyType({})
) -> None:
    """Keep old names of a class's members working, both for those who use them and for subclasses that define them.

    Args:
        owner: the class. What it or a mixin of it defines under an old name becomes the member of the new name, with a
            warning; what it defines under a new name can be read under the old one.
        names: the new names by the old ones.
        adapt: for methods whose arguments changed, by the old name: makes the new method of the old one, and the other
            way round.
    """
    for old, new in names.items():
        # Of a class with mixins, what comes first counts; a class that defines both names serves both versions.
        bodies: list[Mapping[str, Any]] = [vars(base) for base in owner.__mro__]
        where = next((body for body in bodies if old in body or new in body), {})
        member = where.get(old)
        # Something else may have this name by chance: a method where an attribute was renamed, or the reverse.
        if new not in where and old in where and callable(member) == callable(getattr(owner, new, None)):
            warn_renamed(f"{owner.__name__}.{old}", f"{owner.__name__}.{new}")
            setattr(owner, new, adapt[old](member) if old in adapt else member)
            if not callable(member):
                _add_alias(owner, old, RenamedAttribute(new))
        elif new in vars(owner) and old not in vars(owner):
            method = callable(vars(owner)[new])
            _add_alias(owner, old, RenamedMember(new, adapt.get(old)) if method else RenamedAttribute(new))


def _add_alias(owner: type, old: str, alias: RenamedMember) -> None:
    alias.__set_name__(owner, old)
    setattr(owner, old, alias)


def call_renamed(owner: type, thing: Any, old: str, new: str, *arguments: Any) -> Any:
    """What a method of ``owner`` does under its old name: warn, and do what the method does under its new one.

    If subclasses have overridden the old name, :func:`rename_members` has given them the new one; then this is their
    ``super()``, and what they have inherited is called.
    """
    warn_renamed(f"{owner.__name__}.{old}", f"{owner.__name__}.{new}")
    for kind in type(thing).__mro__:
        method = vars(kind).get(new)
        if method is not None and method is not vars(kind).get(old):
            return method(thing, *arguments)
    raise NotImplementedError(f"{type(thing).__name__} has no {new}")


def warn_renamed(old: str, new: str) -> None:
    """Warn that ``old`` is now called ``new``.

    The warning points at the user's line: the nearest caller that is neither in this package nor in one that calls it
    on behalf of the user, as ``gymnasium.make`` does. By default Python shows it only if that is in ``__main__``.
    """
    frame: FrameType = sys._getframe(1)
    while frame.f_back is not None and package_of(frame) in BETWEEN:
        frame = frame.f_back
    warnings.warn_explicit(
        f"{old} is called {new} now; the old name goes in version 0.3",
        DeprecationWarning,
        filename=frame.f_code.co_filename,
        lineno=frame.f_lineno,
        module=frame.f_globals.get("__name__", "<unknown>"),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def package_of(frame: FrameType) -> str:
    """The top-level package whose code runs in a frame."""
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0]
