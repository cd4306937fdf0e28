"""Text on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def print_plain(console: Console, text: str) -> None:
    """Print a line as it is: not wrapped, and brackets are no markup."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)
