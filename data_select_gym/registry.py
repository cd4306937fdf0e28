"""Registries: things by name, each with a description, its paper and what it needs, registered where it is defined."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from data_select_gym.arguments import check_choice, check_kind
from data_select_gym.plugins import load_plugins

Thing = TypeVar("Thing")
Given = TypeVar("Given")

NAME = re.compile(r"\w[\w.-]*")
ARXIV = re.compile(r"\d{4}\.\d{4,5}")
# Loading imports modules, which register: one thread at a time.
LOCK = threading.RLock()


@dataclass(frozen=True)
class Entry(Generic[Thing]):
    """What is registered by one name.

    Attributes:
        name: as users write it.
        get: gives the thing, which may import it first.
        description: one line.
        paper: an arXiv id, or a citation that may hold one, such as ``"OHEM, arXiv 1604.03540"``; may be empty.
        needs: what it takes beyond a plain installation and a plain run, such as ``"sb3-contrib"``.
        module: that registered it.
    """

    name: str
    get: Callable[[], Thing]
    description: str
    paper: str
    needs: tuple[str, ...]
    module: str

    @property
    def line(self) -> str:
        """The description with its paper, for lists."""
        if not self.paper:
            return self.description
        return f"{self.description} ({'arXiv ' if ARXIV.fullmatch(self.paper) else ''}{self.paper})"

    @property
    def line_with_needs(self) -> str:
        """The same, with what it needs."""
        return self.line + (f"; needs {' and '.join(self.needs)}" if self.needs else "")


class Registry(Mapping[str, Thing]):
    """Things of one kind by name.

    Whoever asks first has the modules of its room imported, which register what they define, and then the plug-ins of
    other packages. So adding something takes one file in the room, or a plug-in; no list names it.

    Attributes:
        kind: what is registered, in a word, for messages.
        sharing: all registries whose names must differ from this one's, this one included.
    """

    def __init__(self, kind: str, room: str, check: Callable[[Any], Thing], *, declared: bool = False) -> None:
        """Nothing is registered yet.

        Args:
            kind: what is registered, in a word.
            room: name of the package whose modules register.
            check: returns what may be registered, and raises a ``TypeError`` or ``ValueError`` for all else.
            declared: whether :meth:`declare` names all that the room has, so that each module is imported only when it
                is needed.
        """
        self.kind = kind
        self.sharing: tuple[Registry[Any], ...] = (self,)
        self._room = room
        self._check = check
        self._entries: dict[str, Entry[Thing]] = {}
        self._declared = declared
        self._loading = False
        self._loaded = False

    def register(
        self,
        name: str,
        thing: Any = None,
        *,
        description: str = "",
        paper: str = "",
        needs: Collection[str] = (),
        module: str = "",
        replace: bool = False,
    ) -> Any:
        """Register ``thing`` by ``name``; without ``thing``, a decorator for it.

        The module that registered a name may register it again, as a notebook does whose cell is run twice, or a
        script that is imported by its name as well.

        Args:
            name: letters, digits, ``-``, ``_`` and ``.``.
            thing: what is meant by the name.
            description: one line; the first of the docstring if empty.
            paper: an arXiv id, such as ``"1604.03540"``, or a citation.
            needs: what it takes beyond a plain installation and a plain run.
            module: that registers; the caller's if empty.
            replace: whether it may replace what another module registered outside of the room.

        Raises:
            ValueError: the name is not of that form, or is taken.
            TypeError: ``thing`` is of another kind, or another argument is of the wrong type.
        """
        module = module or calling_module(2)
        self.check_texts(name, description, paper, needs)
        if thing is None:
            return lambda thing: self.register(
                name, thing, description=description, paper=paper, needs=needs, module=module, replace=replace
            )
        self.prepare(module)
        self._check_free(name, module, replace=replace)
        checked = self._check(thing)
        line = description or describe(self.kind, thing)
        self._entries[name] = Entry(name, lambda: checked, line, paper, tuple(needs), module)
        return thing

    def check_texts(self, name: str, description: str, paper: str, needs: Collection[str]) -> None:
        """Check what is written beside the thing.

        Raises:
            ValueError: the name is not of the form that :meth:`register` takes.
            TypeError: an argument is of the wrong type.
        """
        check_kind("name", name, str)
        if not NAME.fullmatch(name) or name.endswith(".zip"):
            raise ValueError(
                f"name={name!r} cannot name a {self.kind}: letters, digits, '-', '_' and '.' can, but not '.zip' at "
                "the end"
            )
        check_kind("description", description, str)
        check_kind("paper", paper, str)
        if isinstance(needs, str) or not isinstance(needs, Collection):
            raise TypeError(f"needs={needs!r} is not a list of texts")

    def declare(self, entry: Entry[Thing]) -> None:
        """Add an entry whose thing is not imported before somebody asks for it."""
        self._entries[entry.name] = entry

    def prepare(self, module: str) -> None:
        """Load what comes before anything that ``module`` registers: all of the room and of plug-ins, for others."""
        if not self._in_room(module):
            self.load(module)

    def load(self, asking: str = "") -> None:
        """Import the modules of the room and the plug-ins, once; ``asking`` is the module that registers, if any."""
        if self._loaded:
            return
        with LOCK:
            # A module of the room, or a plug-in, may ask for what is registered so far.
            if self._loaded or self._loading:
                return
            self._loading = True
            try:
                if not self._declared:
                    import_room(self._room)
                # Whatever was imported first, the order is the same.
                self._entries = dict(sorted(self._entries.items(), key=self._place))
                self._loaded = load_plugins(asking)
            finally:
                self._loading = False

    def entries(self) -> tuple[Entry[Thing], ...]:
        """All entries: those of the room by module, then those of others as they were registered."""
        self.load()
        return tuple(self._entries.values())

    def bundled(self) -> tuple[Entry[Thing], ...]:
        """The entries of the room."""
        return tuple(entry for entry in self.entries() if self._in_room(entry.module))

    def __getitem__(self, name: str) -> Thing:
        self.load()
        return self._entries[name].get()

    def __iter__(self) -> Iterator[str]:
        self.load()
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        self.load()
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        self.load()
        return name in self._entries

    def find(self, argument: str, name: Any) -> Thing:
        """What is registered by ``name``.

        Raises:
            ValueError: nothing is; the message names the ``argument`` and what there is.
        """
        return self[check_choice(argument, name, self)]

    def remove(self, name: str) -> None:
        """Forget what is registered by ``name``, if anything is."""
        self._entries.pop(name, None)

    def _place(self, item: tuple[str, Entry[Thing]]) -> tuple[bool, str]:
        module = item[1].module
        return (False, module) if self._in_room(module) else (True, "")

    def _in_room(self, module: str) -> bool:
        return module.startswith(f"{self._room}.")

    def _check_free(self, name: str, module: str, *, replace: bool) -> None:
        for registry in self.sharing:
            if registry is not self and not self._in_room(module):
                registry.load(module)
            entry = registry._entries.get(name)
            if entry is None or (registry is self and same_file(entry.module, module)):
                continue
            if not replace or registry is not self or registry._in_room(entry.module):
                raise ValueError(f"name={name!r} is taken by the {registry.kind} of {entry.module}; give another name")


class Registries(Mapping[str, Thing]):
    """Several registries that share their names, one after the other."""

    def __init__(self, *parts: Registry[Any]) -> None:
        self.parts = parts
        for part in parts:
            part.sharing = parts

    def entries(self) -> tuple[Entry[Thing], ...]:
        """All entries of all of them."""
        return tuple(entry for part in self.parts for entry in part.entries())

    def bundled(self) -> tuple[Entry[Thing], ...]:
        """The entries of their rooms."""
        return tuple(entry for part in self.parts for entry in part.bundled())

    def __getitem__(self, name: str) -> Thing:
        thing: Thing = next((part for part in self.parts if name in part), self.parts[0])[name]
        return thing

    def __iter__(self) -> Iterator[str]:
        return (name for part in self.parts for name in part)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def find(self, argument: str, name: Any) -> Thing:
        """As :meth:`Registry.find`."""
        return self[check_choice(argument, name, self)]


def import_room(room: str) -> None:
    """Import all modules of a package, in the order of their names."""
    package = importlib.import_module(room)
    for found in pkgutil.iter_modules(package.__path__, f"{room}."):
        importlib.import_module(found.name)


def same_file(first: str, second: str) -> bool:
    """Whether two modules are one, or one file: a script is imported a second time if a name says so."""
    paths = [getattr(sys.modules.get(name), "__file__", None) for name in (first, second)]
    return first == second or (None not in paths and len({os.path.realpath(str(path)) for path in paths}) == 1)


def calling_module(depth: int) -> str:
    """The name of the module that called the function that calls this one, ``depth`` calls up."""
    name: str = sys._getframe(depth).f_globals.get("__name__", "__main__")
    return name


def describe(kind: str, thing: Any) -> str:
    """One line on a thing: its ``description``, the first line of its docstring, or that it is a custom ``kind``."""
    given = getattr(thing, "description", "")
    if given and isinstance(given, str):
        return given
    while isinstance(thing, partial):
        thing = thing.func
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return first_line(thing.__doc__) or f"a custom {kind}, {named.__module__}:{named.__qualname__}"


def first_line(docstring: str | None) -> str:
    """The first line of a docstring, without its full stop."""
    return (docstring or "").strip().partition("\n")[0].removesuffix(".")
