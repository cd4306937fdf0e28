"""Where a run computes, and in which precision."""

from __future__ import annotations

import torch

from data_select_gym.tasks import Recipe
from data_select_gym.tasks.recipe import PRECISIONS


def check_device(device: str | torch.device) -> str | torch.device:
    """Return ``device`` if it is ``"auto"`` or a device that torch knows, whether or not this machine has it.

    Raises:
        ValueError: torch knows no such device.
    """
    if device != "auto":
        _parse(device)
    return device


def choose_device(device: str | torch.device) -> torch.device:
    """The torch device of that name; ``"auto"`` is a GPU if there is one.

    Raises:
        ValueError: torch knows no such device, or this machine does not have it.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parsed = _parse(device)
    try:
        torch.zeros(1, device=parsed).item()
    except (RuntimeError, AssertionError) as error:
        raise ValueError(_message(device, error)) from error
    return parsed


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The context of a recipe's precision."""
    dtype = PRECISIONS[recipe.precision]
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32)


def _parse(device: str | torch.device) -> torch.device:
    try:
        return torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(_message(device, error)) from error


def _message(device: str | torch.device, error: Exception) -> str:
    return f"device={device!r} cannot be used ({error}); allowed are 'auto', 'cpu', 'cuda', ..."
