"""Features: the columns of an observation, one row a candidate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym import rewards
from data_select_gym.arguments import check_choice
from data_select_gym.ledger import Ledger
from data_select_gym.rewards import Quality, composite, rank, scaled_loss
from data_select_gym.signals import Signals
from data_select_gym.training import TrainingRun


@dataclass(frozen=True)
class PoolView:
    """What features are made of. A training loop of one's own makes it of its ledger; here it is the pool now shown.

    Attributes:
        signals: recorded of the P candidates.
        ledger: that they are from, in which each visit was recorded with its step.
        indices: int64 ``(P,)``, which samples the candidates are, on the ledger's device.
        step: how many pools were shown before this one.
        steps: how many the whole run shows.
        epoch: of this pool, from 0.
        price: of keeping a sample, in [0, 1].
        quality: that the reward pays, for ``quality_rank``.
    """

    signals: Signals
    ledger: Ledger
    indices: Tensor
    step: int
    steps: int
    epoch: int
    price: float
    quality: Quality = composite

    @classmethod
    def of(cls, run: TrainingRun, signals: Signals, price: float, quality: Quality = composite) -> PoolView:
        """That of the pool which a run now shows, whose recorded ``signals`` have been read."""
        return cls(signals, run.ledger, run.rows, run.pool_number, run.plan.total_pools, run.epoch, price, quality)

    def column(self, name: str) -> Tensor:
        """The ledger's column ``previous_loss``, ``visits`` or ``last_visit`` for the pool, float32 ``(P,)``."""
        column: Tensor = getattr(self.ledger, name)
        return column.index_select(0, self.indices).float()

    def constant(self, value: float) -> Tensor:
        """The same value for every candidate, float32 ``(P,)``."""
        return torch.full_like(self.signals.loss, value)


@dataclass(frozen=True)
class Feature:
    """One feature: its range, what it is, and how it is read, as ``(P,)`` or ``(P, D)``."""

    low: float
    high: float
    description: str
    read: Callable[[PoolView], Tensor]


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
        0, 1, "position in the pool of how far it moves the last layer down the validation loss", alignment
    ),
    "embedding": Feature(
        -math.inf, math.inf, "input of the model's last layer, in half precision (D columns)", embedding
    ),
}
DEFAULT_FEATURES = ("loss", "uncertainty", "confidence", "margin", "age", "visits", "progress", "price")


def check_features(features: Sequence[str]) -> tuple[str, ...]:
    """The features as a tuple.

    Raises:
        ValueError: there are none, one is unknown, or one comes twice.
        TypeError: they are not in a sequence.
    """
    if not isinstance(features, Iterable):
        raise TypeError(f"features={features!r} is not a sequence of names")
    names = (features,) if isinstance(features, str) else tuple(features)
    for name in names:
        check_choice("features", name, FEATURES)
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
    low = np.repeat([FEATURES[name].low for name in names], widths).astype(np.float32)
    high = np.repeat([FEATURES[name].high for name in names], widths).astype(np.float32)
    tiles = pool_size if flat else (pool_size, 1)
    return Box(np.tile(low, tiles), np.tile(high, tiles), dtype=np.float32)


def observe(names: Sequence[str], view: PoolView) -> Tensor:
    """The observation of a pool, finite float32 ``(P, F)`` on the device.

    Args:
        names: of its columns, among :data:`FEATURES`.
        view: of the pool.
    """
    columns = [FEATURES[name].read(view).reshape(len(view.signals), -1) for name in names]
    widths = tuple(column.shape[1] for column in columns)
    # All ranges have 0 in them.
    return torch.cat(columns, dim=1).clamp(*_ranges(tuple(names), widths, columns[0].device)).nan_to_num(nan=0.0)


@lru_cache(maxsize=8)
def _ranges(names: tuple[str, ...], widths: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Lower and upper ends of the columns' ranges, float32 ``(F,)`` each, on the device."""
    ranges = torch.tensor([[FEATURES[name].low, FEATURES[name].high] for name in names], dtype=torch.float32)
    low, high = ranges.repeat_interleave(torch.tensor(widths), dim=0).T.contiguous().to(device)
    return low, high
