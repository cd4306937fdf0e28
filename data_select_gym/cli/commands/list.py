"""``data-select-gym list``."""

from __future__ import annotations

import argparse

from data_select_gym.cli.registry import register_command


@register_command("list", description="list environments, regimes, policies, features and rewards, with a line each")
def run_list(parsed: argparse.Namespace) -> None:
    """List what there is to choose from."""
    from data_select_gym.experiments.catalogue import catalogue

    for section, entries in catalogue().items():
        print(f"{section}:")
        width = max(map(len, entries))
        for name, description in entries.items():
            print(f"  {name:{width}}  {description}")
