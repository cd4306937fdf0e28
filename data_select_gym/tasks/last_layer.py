"""The last linear layer of a model, whose input is the embedding of a sample."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


def find_last_layer(model: nn.Module, head: str | None) -> nn.Linear:
    """The layer named ``head``, as in ``model.named_modules()``; the last ``nn.Linear`` if None.

    Raises:
        ValueError: the model has no such layer, or it is not an ``nn.Linear``.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    if head is None and layers:
        return list(layers.values())[-1]
    if head not in layers:
        raise ValueError(f"head={head!r} is not an nn.Linear of the model; it has: {', '.join(layers) or 'none'}")
    return layers[head]


def run_model(model: nn.Module, inputs: Tensor, head: str | None, *, embed: bool) -> tuple[Any, Tensor | None]:
    """The model's output on a batch, unchecked; and with ``embed`` the input of its last layer, float ``(n, D)``.

    Raises:
        ValueError: the model has no such layer, or does not use it.
    """
    if not embed:
        return model(inputs), None
    with captured_input(find_last_layer(model, head)) as seen:
        output = model(inputs)
    if not seen:
        raise ValueError(f"head={head!r}: the model does not use this layer; name its last nn.Linear")
    return output, seen[-1].flatten(1)


@contextmanager
def captured_input(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the inputs that ``layer`` gets within the block."""
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()
