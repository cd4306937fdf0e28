"""Features: the columns of an observation, one row a candidate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym import rewards
from data_select_gym.arguments import check_callable, check_choice, check_kind, did_you_mean, import_named, is_number
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.rewards import rank, scaled_loss

# What is recorded only where it is asked for.
NEEDS = ("alignment", "embedding")


@dataclass(frozen=True)
class Feature:
    """One feature: its range, what it is, and how it is read, as ``(P,)`` or ``(P, D)``.

    ``needs`` says what must be recorded for it, among :data:`NEEDS`.
    """

    low: float
    high: float
    description: str
    read: Callable[[PoolView], Tensor]
    needs: frozenset[str] = frozenset()


def age(view: PoolView) -> Tensor:
    """Epochs since a sample was last trained on, over all epochs; 1 if it never was."""
    last = view.column("last_visit")
    return torch.where(last < 0, 1.0, (view.step - last) / view.steps).clamp(0, 1)


def visits(view: PoolView) -> Tensor:
    """Share of past epochs in which a sample was kept."""
    return (view.column("visits") / max(1, view.epoch)).clamp(0, 1)


def loss_trend(view: PoolView) -> Tensor:
    """(l - l') / (|l| + |l'|) of the last two recorded losses; 0 if there are not two."""
    now, before = view.signals.loss, view.column("previous_loss")
    return (now - before) / (now.abs() + before.abs() + 1e-8)


def quality_rank(view: PoolView) -> Tensor:
    """Position among the pool's of the quality that the reward pays, as last recorded."""
    values, _ = view.quality(view.signals)(view.signals)
    return rank(values)


def alignment(view: PoolView) -> Tensor:
    """Position of its alignment with the validation set's gradient among the pool's, as last recorded."""
    values, _ = rewards.alignment(view.signals)(view.signals)
    return rank(values)


def embedding(view: PoolView) -> Tensor:
    """Input of the model's last layer, as last recorded in half precision; 0 beyond that, or where it is no number."""
    if view.signals.embedding is None:
        raise ValueError("this run keeps no embeddings")
    return view.signals.embedding.float().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


FEATURES = {
    "loss": Feature(
        0,
        1,
        "loss, clipped at the pool's 95th percentile, min-max scaled in the pool",
        lambda view: scaled_loss(view.signals.loss, view.signals.loss),
    ),
    "uncertainty": Feature(
        0, 1, "entropy of the prediction over its maximum", lambda view: view.signals.uncertainty.nan_to_num(1.0)
    ),
    "confidence": Feature(0, 1, "largest probability", lambda view: view.signals.confidence),
    "margin": Feature(-1, 1, "probability of the label minus the largest other", lambda view: view.signals.margin),
    "age": Feature(0, 1, "epochs since last trained on, over epochs", age),
    "visits": Feature(0, 1, "share of past epochs in which it was kept", visits),
    "progress": Feature(0, 1, "share of the run that is over", lambda view: view.constant(view.step / view.steps)),
    "price": Feature(0, 1, "price of keeping a sample", lambda view: view.constant(view.price)),
    "correct": Feature(0, 1, "whether the prediction was the label", lambda view: view.signals.correct.float()),
    "loss_trend": Feature(-1, 1, "rise of the loss between its last two records, over their sum", loss_trend),
    "quality_rank": Feature(0, 1, "position among the pool's of the quality that the reward pays", quality_rank),
    "el2n": Feature(0, math.sqrt(2), "norm of prediction minus label", lambda view: view.signals.el2n),
    "alignment": Feature(
        0,
        1,
        "position in the pool of how far it moves the last layer down the validation loss",
        alignment,
        frozenset({"alignment"}),
    ),
    "embedding": Feature(
        -math.inf,
        math.inf,
        "input of the model's last layer, in half precision (D columns)",
        embedding,
        frozenset({"embedding"}),
    ),
}
DEFAULT_FEATURES = ("loss", "uncertainty", "confidence", "margin", "age", "visits", "progress", "price")


# Those of users, by name.
OWN: dict[str, Feature] = {}
# The names of those that were given as functions.
FUNCTIONS: dict[Callable[[PoolView], Tensor], str] = {}


def register_feature(
    name: str,
    function: Callable[[PoolView], Tensor],
    *,
    low: float = -math.inf,
    high: float = math.inf,
    description: str = "",
    needs: Iterable[str] = (),
) -> None:
    """Make a feature of one's own known by a name in this process; one of that name takes the place of an earlier one.

    Example:
        >>> import gymnasium as gym
        >>> import data_select_gym
        >>> register_feature("loss_rank", lambda view: rank(view.signals.loss), low=0, high=1)
        >>> gym.make("DataSelect/Digits-v0", features=["loss_rank", "price"]).observation_space.shape
        (128, 2)

    Args:
        name: other than those of :data:`FEATURES`, and without a colon.
        function: from a :class:`PoolView` to a tensor ``(P,)``; where a value is no number, it becomes 0.
        low: the least value; what is below is clipped to it.
        high: the largest.
        description: in words.
        needs: what must be recorded for it: ``"alignment"`` or ``"embedding"``.

    Raises:
        ValueError: the name is taken or empty, or has a colon; the range is none; or something unknown is needed.
        TypeError: ``name`` is no text, or ``function`` cannot be called.
    """
    check_kind("name", name, str)
    if not name or ":" in name or name in FEATURES:
        raise ValueError(f"name={name!r} is empty, has a colon or is one of: {', '.join(FEATURES)}")
    OWN[name] = _own_feature(check_callable("function", function), low, high, description, needs)


def _own_feature(
    function: Callable[[PoolView], Tensor], low: Any, high: Any, description: str, needs: Iterable[str]
) -> Feature:
    name = getattr(function, "__name__", type(function).__name__)
    ends = [is_number(end) or (isinstance(end, float) and math.isinf(end)) for end in (low, high)]
    if not all(ends) or not low < high:
        raise ValueError(f"low={low!r} and high={high!r} are not the ends of a range")
    check_kind("description", description, str)
    for need in (needs := frozenset(check_kind("needs", needs, Iterable))):
        check_choice("needs", need, NEEDS)

    def read(view: PoolView) -> Tensor:
        values = function(view)
        wanted = view.signals.loss
        if not isinstance(values, Tensor) or values.shape != wanted.shape:
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(f"the feature {name} gave {got}; a tensor of shape {tuple(wanted.shape)} is needed")
        return values.detach().to(wanted)

    return Feature(float(low), float(high), description, read, needs)


def find_feature(name: str) -> Feature:
    """The feature of a name that :func:`check_features` has let through."""
    return FEATURES[name] if name in FEATURES else OWN[name]


def _name_of(given: Any) -> str:
    """The name of a feature that is given by its name, as ``"module:function"`` or as a function."""
    if isinstance(given, str) and (given in FEATURES or given in OWN):
        return given
    if isinstance(given, str) and ":" in given:
        OWN[given] = _of_function(check_callable("features", import_named("features", given)))
        return given
    if not callable(given):
        names = [*FEATURES, *OWN]
        raise ValueError(
            f"features={given!r} is not known; known are: {', '.join(names)}, 'module:function' or a function"
            f"{did_you_mean([given], names)}"
        )
    if given in FUNCTIONS:
        return FUNCTIONS[given]
    plain = f"{given.__module__}:{getattr(given, '__qualname__', type(given).__qualname__)}"
    others = sum(other.partition("#")[0] == plain for other in FUNCTIONS.values())
    FUNCTIONS[given] = name = f"{plain}#{others + 1}" if others else plain
    OWN[name] = _of_function(given)
    return name


def _of_function(function: Callable[[PoolView], Tensor]) -> Feature:
    """The feature of a function, whose attributes may say its range and what it needs."""
    low, high = getattr(function, "low", -math.inf), getattr(function, "high", math.inf)
    return _own_feature(function, low, high, function.__doc__ or "", getattr(function, "needs", ()))


def check_features(features: Sequence[str | Callable[[PoolView], Tensor]]) -> tuple[str, ...]:
    """The names of the features as a tuple; those of functions are ``"module:function"``.

    Raises:
        ValueError: there are none, one is unknown, or one comes twice.
        TypeError: they are not in a sequence.
    """
    if not isinstance(features, Iterable):
        raise TypeError(f"features={features!r} is not a sequence of names")
    names = tuple(map(_name_of, (features,) if isinstance(features, str) else features))
    if not names or len(set(names)) < len(names):
        raise ValueError(f"features={names!r} must name at least one feature and none twice")
    return names


def observation_space(
    names: Sequence[str], pool_size: int, embedding_dim: int, *, flat: bool = False
) -> Space[NDArray[np.float32]]:
    """Space of the observations, float32 ``(P, F)``; ``embedding`` takes ``embedding_dim`` columns.

    Flat it is ``(P * F,)``, row after row.
    """
    widths = [embedding_dim if name == "embedding" else 1 for name in names]
    low = np.repeat([find_feature(name).low for name in names], widths).astype(np.float32)
    high = np.repeat([find_feature(name).high for name in names], widths).astype(np.float32)
    tiles = pool_size if flat else (pool_size, 1)
    return Box(np.tile(low, tiles), np.tile(high, tiles), dtype=np.float32)


def observe(names: Sequence[str], view: PoolView) -> Tensor:
    """The observation of a pool, finite float32 ``(P, F)`` on the device.

    Args:
        names: of its columns, as :func:`check_features` gives them.
        view: of the pool.
    """
    features = [find_feature(name) for name in names]
    columns = [feature.read(view).reshape(len(view.signals), -1) for feature in features]
    widths = tuple(column.shape[1] for column in columns)
    ends = tuple((feature.low, feature.high) for feature in features)
    return torch.cat(columns, dim=1).nan_to_num(nan=0.0).clamp(*_ranges(ends, widths, columns[0].device))


@lru_cache(maxsize=8)
def _ranges(
    ends: tuple[tuple[float, float], ...], widths: tuple[int, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Lower and upper ends of the columns' ranges, float32 ``(F,)`` each, on the device."""
    ranges = torch.tensor(ends, dtype=torch.float32)
    low, high = ranges.repeat_interleave(torch.tensor(widths), dim=0).T.contiguous().to(device)
    return low, high
