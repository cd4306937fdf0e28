"""The command ``list``."""

from __future__ import annotations

import argparse
from typing import Any


def add_commands(commands: Any) -> None:
    """Add the command to the parser's."""
    listing = commands.add_parser(
        "list",
        help="list environments, policies, features and rewards, with a line each",
        description="List environments, policies, features and rewards, with a line each.",
    )
    listing.set_defaults(run_jobs=run_list)


def run_list(parsed: argparse.Namespace) -> None:
    """Carry out ``list``."""
    from data_select_gym.experiments.catalogue import catalogue

    for section, entries in catalogue().items():
        print(f"{section}:")
        width = max(map(len, entries))
        for name, description in entries.items():
            print(f"  {name:{width}}  {description}")
