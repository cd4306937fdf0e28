"""The command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from gymnasium.error import Error as GymnasiumError

from data_select_gym.cli import comparing, listing, training
from data_select_gym.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns 0, 1 if a part of it failed, or 2 with a message if an argument is wrong."""
    # Threads that spin for milliseconds while they wait make steps a hundred times slower on a machine that is shared.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    if "" not in sys.path:
        sys.path.append("")  # so that 'module:object' may be in a file of the folder in which the command is given
    parsed = make_parser().parse_args(arguments)
    try:
        return int(parsed.carry_out(parsed) or 0)
    except (ValueError, TypeError, OSError, ImportError, GymnasiumError) as error:
        print(f"data-select-gym: error: {error}", file=sys.stderr)
        return 2


def make_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(
        prog="data-select-gym",
        description="Choose, while a neural network trains, which samples to train on: compare the policies that do.",
        epilog="'data-select-gym COMMAND --help' tells more. Curves: 'tensorboard --logdir runs'.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    comparing.add_commands(commands)
    training.add_commands(commands)
    listing.add_commands(commands)
    return parser
