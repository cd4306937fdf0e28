"""The parser of the command line, which asks whether something similar was meant."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from data_select_gym.arguments import did_you_mean


class Parser(argparse.ArgumentParser):
    """A parser whose errors end with the known name that is most like the wrong one."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += did_you_mean([value], action.choices or ())
            raise

    def refuse(self, unknown: Sequence[str]) -> None:
        """Leave with an error for arguments that nobody takes."""
        known = [name for action in self._actions for name in action.option_strings]
        meant = did_you_mean([word.partition("=")[0] for word in unknown if word.startswith("-")], known)
        self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")


class HelpFormatter(argparse.HelpFormatter):
    """Help that shows the defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.help and action.option_strings and action.default not in (None, False, [], argparse.SUPPRESS):
            return f"{action.help} (default: %(default)s)"
        return action.help
