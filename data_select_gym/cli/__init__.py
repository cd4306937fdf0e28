"""The command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from data_select_gym.cli import comparing, listing, training
from data_select_gym.cli.errors import is_told
from data_select_gym.cli.parser import Parser
from data_select_gym.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns 0, 1 if a part of it failed, or 2 with a message if an argument is wrong.

    Raises:
        Exception: that nobody foresaw, or any with ``--traceback``.
    """
    # Threads that spin for milliseconds while they wait make steps a hundred times slower on a machine that is shared.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    if "" not in sys.path:
        sys.path.append("")  # so that 'module:object' may be in a file of the folder in which the command is given
    parsed, unknown = make_parser().parse_known_args(arguments)
    if unknown:
        parsed.parser.refuse(unknown)
    try:
        return int(parsed.run_jobs(parsed) or 0)
    except Exception as error:
        if parsed.traceback or not is_told(error):
            raise
        print(f"data-select-gym: error: {error}", file=sys.stderr)
        return 2


def make_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = Parser(
        prog="data-select-gym",
        description="Choose, while a neural network trains, which samples to train on: compare the policies that do.",
        epilog="'data-select-gym COMMAND --help' tells more. Curves: 'tensorboard --logdir runs'.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    comparing.add_commands(commands)
    training.add_commands(commands)
    listing.add_commands(commands)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
        command.add_argument(
            "--traceback", action="store_true", help="show of any error where in the code it comes from"
        )
    return parser
