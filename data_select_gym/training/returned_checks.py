"""Checks of what a user's functions return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from data_select_gym.arguments import is_number
from data_select_gym.signals import Signals
from data_select_gym.tasks.data import is_fraction
from data_select_gym.tasks.recipe import Augmentation, Schedule


def make_model(function: Callable[[], nn.Module]) -> nn.Module:
    """Call a task's ``make_model``.

    Raises:
        TypeError: it returns no model.
    """
    model = function()
    if not isinstance(model, nn.Module):
        raise TypeError(f"make_model={function!r:.100} returned a {_kind(model)}; an nn.Module is needed")
    return model


def make_optimizer(function: Callable[[list[nn.Parameter]], Optimizer], model: nn.Module) -> Optimizer:
    """Call a recipe's ``optimizer`` with a model's weights.

    They are given as a list, which the function may iterate more than once.

    Raises:
        TypeError: the function returns no optimizer.
        ValueError: the optimizer needs a closure, has none of the model's weights, or no learning rate.
    """
    weights = list(model.parameters())
    optimizer = function(weights)
    given = f"optimizer={function!r:.100} returned a {_kind(optimizer)}"
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{given}; a torch.optim.Optimizer is needed")
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise ValueError(
            f"{given}, whose step() needs a closure that recomputes the loss; here each minibatch is passed forward "
            "once, so an optimizer that does without is needed, such as SGD or AdamW"
        )
    known = {id(weight) for weight in weights}
    if not any(id(weight) in known for group in optimizer.param_groups for weight in group["params"]):
        raise ValueError(f"{given} that has none of the model's weights; it must be made of those that it is given")
    for group in optimizer.param_groups:
        rate = group.get("lr")
        if not is_number(rate):
            raise ValueError(f"{given} with lr={rate!r:.100}; a number is needed, which the schedule multiplies")
    return optimizer


def learning_rate_factor(schedule: Schedule, progress: float) -> float:
    """Call a recipe's ``schedule`` with the share of the run that is done.

    Raises:
        TypeError: it returns no number.
        ValueError: the number is not finite, or below 0.
    """
    factor: Any = schedule(progress)
    if not is_number(factor) or factor < 0:
        error = ValueError if is_number(factor) or isinstance(factor, float) else TypeError
        given = f"schedule gives {factor!r:.100} for progress={progress:g}"
        raise error(f"{given}; a finite number of at least 0 is needed")
    return factor  # type: ignore[no-any-return]


def augmented(augment: Augmentation, inputs: Any, *given: Any) -> Any:
    """Call a recipe's ``augment`` with the inputs of a batch.

    Raises:
        TypeError: it returns a value of another type than it was given.
        ValueError: it returns another number of samples.
    """
    result: Any = augment(inputs, *given)
    kinds: list[Any] = [Tensor, Mapping, list | tuple]
    kind = next((kind for kind in kinds if isinstance(inputs, kind)), object)
    if result is None or not isinstance(result, kind):
        raise TypeError(f"augment returned a {_kind(result)} for a {_kind(inputs)} of inputs; another one is needed")
    if isinstance(inputs, Tensor) and isinstance(result, Tensor) and result.shape[:1] != inputs.shape[:1]:
        raise ValueError(f"augment returned shape {tuple(result.shape)} for inputs of shape {tuple(inputs.shape)}")
    return result


def losses_and_signals(objective: Any, given: Any, count: int | None) -> tuple[Tensor, Signals]:
    """Check the losses and signals that an objective returned for a batch.

    Args:
        objective: that returned them.
        given: what it returned.
        count: samples in the batch; None if there may be more than there are losses.

    Raises:
        TypeError: they are no losses and signals.
        ValueError: there is not one of each for each sample.
    """
    name = type(objective).__name__
    if not isinstance(given, tuple) or list(map(_is, given)) != [Tensor, Signals]:
        found = f"({', '.join(map(_kind, given))})" if isinstance(given, tuple) else _kind(given)
        raise TypeError(f"{name} returned {found}; a tensor of losses and Signals are needed")
    losses, signals = given
    wanted = len(signals) if count is None else count
    if losses.shape != (wanted,) or len(signals) != wanted:
        raise ValueError(
            f"{name} returned losses of shape {tuple(losses.shape)} and {len(signals)} rows of signals; one of each is "
            f"needed for each of {wanted} samples"
        )
    return losses, signals


def sample_metrics(objective: Any, given: Any, count: int) -> dict[str, Tensor]:
    """Check the metrics that an objective returned for a batch of ``count`` samples.

    Raises:
        TypeError: they are no tensors by name.
        ValueError: there is not one value for each sample.
    """
    name = type(objective).__name__
    if not isinstance(given, dict) or not all(isinstance(values, Tensor) for values in given.values()) or not given:
        raise TypeError(f"{name}.metrics returned {given!r:.100}; a dict of tensors by name is needed")
    for metric, values in given.items():
        if values.shape[:1] != (count,):
            raise ValueError(
                f"{name}.metrics returned {metric} of shape {tuple(values.shape)}; one for each of {count} samples is "
                "needed"
            )
    return given


def sample_classes(objective: Any, given: Any, count: int) -> Tensor:
    """Check the classes that an objective returned for the targets of ``count`` samples.

    Raises:
        TypeError: they are no tensor.
        ValueError: there is not one whole number for each sample.
    """
    name = type(objective).__name__
    if not isinstance(given, Tensor):
        raise TypeError(f"{name}.classes returned {given!r:.100}; a tensor with a class for each sample is needed")
    if is_fraction(given) or given.shape != (count,):
        raise ValueError(
            f"{name}.classes returned {given.dtype} of shape {tuple(given.shape)}; a whole number for each of {count} "
            "samples is needed"
        )
    return given


def _is(value: Any) -> type:
    return next((kind for kind in (Tensor, Signals) if isinstance(value, kind)), type(value))


def _kind(value: Any) -> str:
    return type(value).__name__
