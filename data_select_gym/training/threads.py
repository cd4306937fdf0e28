"""How many threads compute on the CPU: one for small networks, where several would only wait for one another."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Operations of a forward pass below which a second thread gains nothing on free cores, and costs a multiple on busy
# ones: as many as a minibatch of 128 takes in three layers of 256 units.
PAYS_FROM = 50e6


class _Outside(threading.local):
    """The number of threads outside all blocks of this thread; None outside of any block."""

    number: int | None = None


_outside = _Outside()


def _forget() -> None:
    """Begin outside all blocks in a forked process: the parent's number is not its own."""
    _outside.number = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def most_threads(operations: float) -> int | None:
    """The number of threads that pays for a forward pass of so many floating-point operations; None for all.

    It depends on the size alone, so that a run always has the same number.
    """
    return 1 if operations < PAYS_FROM else None


@contextmanager
def at_most(threads: int | None) -> Iterator[None]:
    """Limit torch to ``threads`` threads within the block, or to the caller's number if that is smaller; None for all.

    Blocks may be nested. The caller's number is the one outside all of them.
    """
    before, outermost = torch.get_num_threads(), _outside.number is None
    if outermost:
        _outside.number = before
    callers = before if _outside.number is None else _outside.number
    try:
        _set(callers if threads is None else min(threads, callers))
        yield
    finally:
        _set(before)
        if outermost:
            _outside.number = None


def _set(number: int) -> None:
    if torch.get_num_threads() != number:
        torch.set_num_threads(number)
