"""The command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from data_select_gym.cli.parser import HelpFormatter, Parser
from data_select_gym.cli.registry import COMMANDS, register_command
from data_select_gym.errors import explains_itself, message_of
from data_select_gym.version import __version__

__all__ = ["COMMANDS", "main", "make_parser", "register_command"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns 0, 1 if a part of it failed, or 2 with a message if an argument is wrong.

    Raises:
        Exception: an unexpected one, or any with ``--traceback``.
    """
    # Threads that spin for milliseconds while they wait make steps a hundred times slower on a shared machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    if "" not in sys.path:
        sys.path.append("")  # so that 'module:object' may be a file in the current folder
    parsed, unknown = make_parser().parse_known_args(arguments)
    if unknown:
        parsed.parser.refuse(unknown)
    try:
        return COMMANDS[parsed.command].run(parsed) or 0
    except Exception as error:
        if parsed.traceback or not explains_itself(error):
            raise
        print(f"data-select-gym: error: {message_of(error)}", file=sys.stderr)
        return 2


def make_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = Parser(
        prog="data-select-gym",
        description="Choose which samples a neural network trains on while it trains, and compare policies that do so.",
        epilog="'data-select-gym COMMAND --help' tells more. Curves: 'tensorboard --logdir runs'.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for entry in COMMANDS.entries():
        command = entry.get()
        added = commands.add_parser(
            entry.name,
            help=entry.description,
            description=command.details,
            epilog=command.example or None,
            formatter_class=HelpFormatter,
        )
        command.add_options(added)
        added.set_defaults(command=entry.name, parser=added)
        added.add_argument("--traceback", action="store_true", help="show where in the code an error comes from")
    return parser
