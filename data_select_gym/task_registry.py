"""Tasks by name, and the ids of their environments; known without importing a task, and so without PyTorch.

A module of ``data_select_gym.tasks`` registers its tasks by :func:`register_task`. What is written there is read from
the source when the package is imported; the module itself is imported when somebody asks for its task.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from gymnasium.envs.registration import parse_env_id, registry
from gymnasium.error import Error

from data_select_gym.arguments import check_callable, check_kind
from data_select_gym.registry import Entry, Registry, calling_module, describe

Make = TypeVar("Make", bound=Callable[..., Any])


@dataclass(frozen=True)
class Environment:
    """The environment of a task.

    Attributes:
        id: for ``gym.make``.
        task: the name of the task; None if there is none yet.
        description: what is trained, in a line.
        data: where the data comes from, in a line.
    """

    id: str
    task: str | None
    description: str
    data: str

    @property
    def line(self) -> str:
        """Both, for lists."""
        return f"{self.description}; data: {self.data}"


def check_make(make: Any) -> Callable[..., Any]:
    """Return ``make`` if it can be called.

    Raises:
        TypeError: it cannot.
    """
    made: Callable[..., Any] = check_callable("task", make)
    return made


TASKS: Registry[Callable[..., Any]] = Registry("task", "data_select_gym.tasks", check_make, declared=True)
# By their ids.
ENVIRONMENTS: dict[str, Environment] = {}
# Where to get the data of tasks, by their names, for errors; nothing is downloaded.
ORIGINS: dict[str, str] = {}
# Called with each environment that is added.
LISTENERS: list[Callable[[Environment], None]] = []


def register_task(
    name: str,
    *,
    env_id: str = "",
    description: str = "",
    data: str = "",
    origin: str = "",
    paper: str = "",
    needs: Collection[str] = (),
) -> Callable[[Make], Make]:
    """Register a function that returns a :class:`~data_select_gym.tasks.Task` by name.

    In the package's own modules all arguments are literals, since they are read from the source.

    Example:
        >>> from data_select_gym.tasks import make_task
        >>> @register_task("half-digits", env_id="DataSelect/HalfDigits-v0", data="bundled")
        ... def half_digits(*, epochs=10):
        ...     '''Half of the handwritten digits.'''
        ...     return make_task("digits", epochs=epochs, samples=640)
        >>> len(make_task("half-digits").train)
        640

    Args:
        name: of the task, as in ``task="digits"``.
        env_id: of an environment of this task, such as ``"DataSelect/Digits-v0"``; none if empty.
        description: what is trained, in a line; the first of the docstring if empty.
        data: where the data comes from, in a line.
        origin: where to get the data, for the error if it is missing.
        paper: an arXiv id or a citation.
        needs: what it takes beyond a plain installation.

    Raises:
        ValueError: the name or the id is taken; or the name is not one of letters, digits, ``-``, ``_`` and ``.``; or
            the id is not of the form ``NAMESPACE/NAME-v0`` that Gymnasium reads.
        TypeError: what is decorated cannot be called, or another argument is of the wrong type.
    """
    module = calling_module(2)
    TASKS.check_texts(name, description, paper, needs)
    for argument, text in (("env_id", env_id), ("data", data), ("origin", origin)):
        check_kind(argument, text, str)
    if env_id:
        check_form(env_id)

    def register(make: Make) -> Make:
        TASKS.prepare(module)
        if env_id:
            check_id_free(name, env_id)
        line = description or describe("task", make)
        TASKS.register(name, make, description=line, paper=paper, needs=needs, module=module)
        announce(name, env_id, line, data, origin)
        return make

    return register


def check_form(env_id: str) -> None:
    """Check that an id has a namespace, a name and the version 0, as Gymnasium reads them.

    Raises:
        ValueError: it has not.
    """
    try:
        namespace, _, version = parse_env_id(env_id)
        fits = bool(namespace) and version == 0 and env_id.endswith("-v0") and env_id.isascii()
    except Error:
        fits = False
    if not fits:
        raise ValueError(
            f"env_id={env_id!r} is not of the form 'NAMESPACE/NAME-v0'; letters, digits, '_', '-' and ':' "
            "can stand in both, and '.' in the name"
        )


def check_id_free(task: str, env_id: str) -> None:
    """Check that neither an id nor that of its samplewise view is taken by anything but the task itself.

    Raises:
        ValueError: one is.
    """
    known = ENVIRONMENTS.get(env_id)
    if known is not None and known.task == task:
        return
    for each in (env_id, samplewise_id(env_id)):
        for other in ENVIRONMENTS.values():
            if each in (other.id, samplewise_id(other.id)):
                whose = "custom tasks" if other.task is None else f"the task {other.task!r}"
                raise ValueError(f"env_id={env_id!r}: {each} is taken by {whose}; give another id")
        if each in registry:
            raise ValueError(f"env_id={env_id!r}: {each} is registered with Gymnasium already; give another id")


def samplewise_id(name: str) -> str:
    """The id of the samplewise view of an environment: ``"DataSelect/DigitsSamplewise-v0"`` of Digits."""
    return name.removesuffix("-v0") + "Samplewise-v0"


def announce(task: str, env_id: str, description: str, data: str, origin: str) -> None:
    """Note where a task's data can be had, and add its environment unless there is one of that id."""
    if origin:
        ORIGINS[task] = origin
    if env_id and env_id not in ENVIRONMENTS:
        add_environment(Environment(env_id, task, description, data))


def add_environment(environment: Environment) -> None:
    """Add an environment, and tell who listens."""
    ENVIRONMENTS[environment.id] = environment
    for listener in LISTENERS:
        listener(environment)


def declare_tasks() -> None:
    """Read from the source of the package's tasks what they register."""
    root = Path(__file__).parent
    for path in sorted((root / "tasks").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "register_task(" in source:
            module = ".".join((__package__, *path.relative_to(root).with_suffix("").parts))
            for call in calls_of("register_task", source):
                declare(module, call)


def calls_of(function: str, source: str) -> Iterator[ast.Call]:
    """The calls of a function in a source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
            yield node


def declare(module: str, call: ast.Call) -> None:
    """Declare the task of a call of :func:`register_task` in a module that is not imported yet."""
    name = ast.literal_eval(call.args[0])
    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
    line, paper, needs = given.get("description", ""), given.get("paper", ""), tuple(given.get("needs", ()))
    TASKS.declare(Entry(name, partial(imported, module, name), line, paper, needs, module))
    announce(name, given.get("env_id", ""), line, given.get("data", ""), given.get("origin", ""))


def imported(module: str, name: str) -> Callable[..., Any]:
    """The task that a module registers, once it is imported."""
    importlib.import_module(module)
    return TASKS[name]


declare_tasks()
