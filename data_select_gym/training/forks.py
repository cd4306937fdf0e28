"""Forked processes, such as the workers of Gymnasium's ``AsyncVectorEnv`` on Linux."""

from __future__ import annotations

import os

import torch

_imported_in = os.getpid()


def one_thread_if_forked() -> None:
    """Let torch have one thread in a process that was forked since torch was there, as the workers of a DataLoader do.

    OpenMP's other threads stay behind in the parent, and a computation that is shared out among them never ends.
    """
    if os.getpid() != _imported_in and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
