"""The last linear layer of a model, whose input is the embedding of a sample."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
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
    """The model's output on a batch, unchecked; with ``embed`` also the input of its last layer, float ``(n, D)``.

    Raises:
        ValueError: the model has no such layer, does not use it, or uses it for something other than one embedding of
            each sample; or no layer is named and the output does not come from the last ``nn.Linear``.
    """
    if not embed:
        return call_model(model, inputs), None
    layer = find_last_layer(model, head)
    with captured_input(layer) as seen:
        output = call_model(model, inputs)
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


def call_model(model: nn.Module, inputs: Any) -> Any:
    """The model's output on a batch; if the output has ``logits``, as those of transformers do, only these.

    A dict of inputs is passed by name if the model has arguments of these names, as models of transformers do, and
    otherwise as one dict.

    Raises:
        ValueError: the inputs are in double precision and the model is not.
    """
    try:
        output = model(**inputs) if isinstance(inputs, Mapping) and _takes(model, inputs) else model(inputs)
    except RuntimeError as error:
        _check_doubles(model, inputs, error)
        raise
    logits = output.get("logits") if isinstance(output, Mapping) else None
    return logits if isinstance(logits, Tensor) else output


def _check_doubles(model: nn.Module, inputs: Any, error: RuntimeError) -> None:
    """Name the inputs if a model failed because they are in double precision; PyTorch's error does not.

    Raises:
        ValueError: that is why it failed.
    """
    values = (
        inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, list | tuple) else [inputs]
    )
    doubles = any(isinstance(value, Tensor) and value.dtype == torch.float64 for value in values)
    weights = {weight.dtype for weight in model.parameters() if weight.is_floating_point()}
    if doubles and weights and torch.float64 not in weights and "type" in str(error):
        known = " and ".join(sorted(str(weight).removeprefix("torch.") for weight in weights))
        raise ValueError(
            f"the inputs are float64 and the model's weights are {known}; give them one type, usually by "
            "inputs.float() in the dataset"
        ) from error


def _takes(model: nn.Module, inputs: Mapping[Any, Any]) -> bool:
    """Whether a model has an argument for each of the inputs and needs no others."""
    try:
        # The class's method, since the object's may be compiled.
        arguments = list(inspect.signature(type(model).forward).parameters.values())[1:]
    except (TypeError, ValueError):  # for a model that is not written in Python
        return False
    named = {each.name for each in arguments if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}
    needed = {each.name for each in arguments if each.name in named and each.default is each.empty}
    return needed <= set(inputs) <= named


def check_width(layer: nn.Linear, output: Tensor, head: str | None) -> None:
    """Check, if no layer was named, that the model's output can come from its last ``nn.Linear``.

    An output that fits no objective passes, since the objective has its own error.

    Raises:
        ValueError: the output has another width.
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
    """Collect the inputs of ``layer`` within the block."""
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()
