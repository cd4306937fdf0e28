"""The bundled features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from data_select_gym import rewards
from data_select_gym.envs.features.registry import FEATURES, Feature
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.rewards import rank, scaled_loss


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
    """Input of the model's last layer, as last recorded in half precision; 0 instead of NaN and infinity."""
    if view.signals.embedding is None:
        raise ValueError("this run keeps no embeddings")
    return view.signals.embedding.float().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


BUNDLED = {
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
    "age": Feature(0, 1, "epochs since it was last trained on, over all epochs", age),
    "visits": Feature(0, 1, "share of past epochs in which it was kept", visits),
    "progress": Feature(0, 1, "share of the run that is over", lambda view: view.constant(view.step / view.steps)),
    "price": Feature(0, 1, "price of keeping a sample", lambda view: view.constant(view.price)),
    "correct": Feature(0, 1, "whether the prediction was the label", lambda view: view.signals.correct.float()),
    "loss_trend": Feature(-1, 1, "rise of the loss between its last two records, over their sum", loss_trend),
    "quality_rank": Feature(0, 1, "position in the pool of the quality that the reward pays", quality_rank),
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
        "input of the model's last layer, D columns, kept in half precision",
        embedding,
        frozenset({"embedding"}),
    ),
}
for name, feature in BUNDLED.items():
    FEATURES.register(name, feature, needs=sorted(feature.needs))
