"""Forked processes, such as the workers of Gymnasium's ``AsyncVectorEnv`` on Linux."""

from __future__ import annotations

import os

import torch

_imported_in = os.getpid()


def one_thread_if_forked() -> None:
    """Limit torch to one thread if this process was forked after the import of torch, as workers of a DataLoader do.

    OpenMP's other threads stay behind in the parent, so a computation that is shared among them would never end.
    """
    if os.getpid() != _imported_in and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
