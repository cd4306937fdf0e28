"""Makes models in float32, whatever PyTorch's default dtype is."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Made = TypeVar("Made")


def in_float32(make: Callable[Arguments, Made], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Made:
    """Call ``make`` with float32 as the default dtype, which the data of this package has.

    Layers of PyTorch and other libraries use the default, and initial weights drawn in another type differ.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        return make(*args, **kwargs)
    finally:
        torch.set_default_dtype(before)
