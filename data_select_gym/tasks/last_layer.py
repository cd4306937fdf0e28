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
        ValueError: the model has no such layer, does not use it, or not for one embedding of each sample; or no layer
            is named and the last ``nn.Linear`` is not the one that the output comes from.
    """
    if not embed:
        return model(inputs), None
    layer = find_last_layer(model, head)
    with captured_input(layer) as seen:
        output = model(inputs)
    if not seen:
        raise ValueError(f"head={head!r}: the model does not use this layer; name its last nn.Linear")
    if isinstance(output, Tensor):
        check_width(layer, output, head)
    embedding = seen[-1].flatten(1)
    if embedding.shape[1] != layer.in_features:
        raise ValueError(
            f"head={head!r}: the layer gets {tuple(seen[-1].shape)}; an embedding of each sample is needed, "
            f"(n, {layer.in_features}), so name the nn.Linear that gets one by head="
        )
    return output, embedding


def check_width(layer: nn.Linear, output: Tensor, head: str | None) -> None:
    """Check, where no layer was named, that the model's output can be what its last ``nn.Linear`` gives.

    An output that fits no objective, which has its own error, is let pass.

    Raises:
        ValueError: it has another width.
    """
    if head is not None or output.ndim not in (1, 2) or not output.is_floating_point():
        return
    width = output.shape[1] if output.ndim == 2 else 1
    if layer.out_features != width:
        raise ValueError(
            f"head=None: the model's last nn.Linear gives {layer.out_features} values and the model {width}, so it is "
            "another layer; name that by head="
        )


@contextmanager
def captured_input(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the inputs that ``layer`` gets within the block."""
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()
