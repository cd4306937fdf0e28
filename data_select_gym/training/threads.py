"""How many threads arithmetic on the CPU takes: for small networks one, since more of them wait for one another."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Operations of a forward pass below which a second thread brings nothing on cores that are free, and costs a multiple
# on those that are not: a minibatch of 128 in three layers of 256 units has as many.
PAYS_FROM = 50e6


class _Outside(threading.local):
    """The number of threads of whoever is outside all blocks of this thread; None if nobody is within one."""

    number: int | None = None


_outside = _Outside()


def _forget() -> None:
    """In a forked process, be outside all blocks: what the parent has is no number for it."""
    _outside.number = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def most_threads(operations: float) -> int | None:
    """As many threads as pay for a forward pass of so many floating-point operations; None for as many as there are.

    It goes by size alone, so that a run has the same number each time.
    """
    return 1 if operations < PAYS_FROM else None


@contextmanager
def at_most(threads: int | None) -> Iterator[None]:
    """Within the block torch has ``threads`` threads, or the caller's number if that is smaller or this is None.

    Blocks may lie within one another: the caller's number is that outside all of them.
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
