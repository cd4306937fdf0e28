"""Models in float32, whatever type PyTorch gives to new tensors by default."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Made = TypeVar("Made")


def in_float32(make: Callable[Arguments, Made], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Made:
    """What ``make`` returns where new tensors are of float32, as the data of this package is.

    Layers of PyTorch and of other libraries ask for the default, and initial weights that are drawn in another type are
    others.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        return make(*args, **kwargs)
    finally:
        torch.set_default_dtype(before)
