"""Where a run computes."""

from __future__ import annotations

import torch


def choose_device(device: str | torch.device) -> torch.device:
    """The torch device that is meant; ``"auto"`` is a GPU if there is one.

    Raises:
        ValueError: torch knows no such device, or it is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device={device!r} cannot be used ({error}); allowed are 'auto', 'cpu', 'cuda', ..."
        ) from error
