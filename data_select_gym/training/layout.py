"""The memory layout of images and of the weights of convolutions over them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def use_channels_last(model: nn.Module) -> None:
    """Lay out a model's weights channels last, and all inputs that it gets from now on.

    Raises:
        ValueError: it has no weights of four dimensions, such as those of convolutions over images.
    """
    if not any(weights.ndim == 4 for weights in model.parameters()):
        raise ValueError(
            "channels_last=True is for convolutions over images; this model has none, that is no weights of four "
            "dimensions"
        )
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.register_forward_pre_hook(_lay_out)


def _lay_out(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        value.contiguous(memory_format=torch.channels_last) if isinstance(value, Tensor) and value.ndim == 4 else value
        for value in inputs
    )
