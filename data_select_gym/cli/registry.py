"""The registry of commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from data_select_gym.arguments import check_callable, check_kind
from data_select_gym.registry import Registry, calling_module

Run = Callable[[argparse.Namespace], int | None]
AddOptions = Callable[[argparse.ArgumentParser], None]
Ran = TypeVar("Ran", bound=Run)


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        run: does what the parsed arguments ask for; returns the exit status, or None for 0.
        add_options: adds the options to the command's parser.
        details: what its help says in full.
        example: shown below the options.
    """

    run: Run
    add_options: AddOptions
    details: str
    example: str


def check_command(command: Any) -> Command:
    """The command, if it is one.

    Raises:
        TypeError: it is not, or a part of it is of the wrong type.
    """
    if not isinstance(command, Command):
        raise TypeError(f"thing={command!r} is not a command; register_command makes one of a function")
    check_callable("run", command.run)
    check_callable("add_options", command.add_options)
    check_kind("details", command.details, str)
    check_kind("example", command.example, str)
    return command


COMMANDS: Registry[Command] = Registry("command", "data_select_gym.cli.commands", check_command)


def no_options(parser: argparse.ArgumentParser) -> None:
    """A command without options."""


def register_command(
    name: str, *, description: str, add_options: AddOptions = no_options, details: str = "", example: str = ""
) -> Callable[[Ran], Ran]:
    """Add a command to ``data-select-gym``; a decorator.

    A command imports what it needs when it is run, so that ``--help`` stays quick.

    Example:
        >>> from data_select_gym.cli import COMMANDS, main, register_command
        >>> def add_options(parser):
        ...     parser.add_argument("--times", type=int, default=1)
        >>> @register_command("greet", description="say hello", add_options=add_options)
        ... def greet(parsed):
        ...     print(*["hello"] * parsed.times)
        >>> main(["greet", "--times", "2"])
        hello hello
        0
        >>> COMMANDS.remove("greet")

    Args:
        name: of the command.
        description: one line, for the list of commands.
        add_options: adds the command's options to its parser.
        details: what its help says in full; the description if empty.
        example: shown below the options.

    Returns:
        A decorator for a function from the parsed arguments to an exit status, or None for 0.

    Raises:
        ValueError: the name is taken.
        TypeError: an argument is of the wrong type.
    """
    module = calling_module(2)

    def decorate(run: Ran) -> Ran:
        command = Command(run, add_options, details or description, example)
        COMMANDS.register(name, command, description=description, module=module)
        return run

    return decorate
