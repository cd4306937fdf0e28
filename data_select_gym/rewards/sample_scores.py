"""Scores of how good samples are to train on, relative to a reference: difficulty, uncertainty and composite.

Losses are clipped and scaled, and variances taken, over the signals of the reference. The paper uses the training
minibatch. The environment uses the whole pool's recorded signals for the fresh signals of the kept samples: scaled by
itself, a kept set of easy samples would score as high as one of hard ones. Formulas: Data Agent, arXiv 2603.07433.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from data_select_gym.signals import EPSILON, Signals

CLIP_QUANTILE = 0.95

# The score of each row, in [0, 1] except for the alignment, and its parts by name: tensors of one value, or of one
# value a row.
Scored: TypeAlias = tuple[Tensor, dict[str, Tensor]]
Scorer: TypeAlias = Callable[[Signals], Scored]
# From a reference to the function that scores any signals relative to it.
SampleScore: TypeAlias = Callable[[Signals], Scorer]


def finite_loss(loss: Tensor) -> Tensor:
    """``loss`` (float ``(n,)``) with the largest finite one instead of those that are not finite."""
    largest = loss.nan_to_num(nan=-torch.inf, posinf=-torch.inf, neginf=-torch.inf).amax().nan_to_num(neginf=0.0)
    return loss.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=torch.inf).minimum(largest)


def scaled_loss(loss: Tensor, reference: Tensor) -> Tensor:
    """Losses clipped at the 0.95 quantile of the reference and min-max scaled by the clipped reference, in [0, 1].

    Args:
        loss: float ``(n,)``.
        reference: float ``(m,)``, m of at least 1.
    """
    return loss_scale(reference)(loss)


def loss_scale(reference: Tensor) -> Callable[[Tensor], Tensor]:
    """The function :func:`scaled_loss` with this reference."""
    # Of halves, since the difference of any two halves is finite.
    reference = finite_loss(reference) / 2
    low, cap = reference.amin(), upper_quantile(reference, CLIP_QUANTILE)
    width = cap - low + EPSILON / 2

    def scaled(loss: Tensor) -> Tensor:
        half = (loss / 2).nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=torch.inf).minimum(cap)
        return ((half - low) / width).clamp(0, 1)

    return scaled


def upper_quantile(values: Tensor, share: float) -> Tensor:
    """``torch.quantile(values, share)`` in a quarter of the time, since only values above it are sorted.

    Args:
        values: float32 ``(n,)``, finite, n of at least 1.
        share: in [0, 1], best near 1.
    """
    place = np.float32(share) * np.float32(len(values) - 1)
    below, above = math.floor(place), math.ceil(place)
    largest = values.topk(len(values) - below).values
    return largest[-1].lerp(largest[below - above - 1], float(place - np.float32(below)))


def difficulty(reference: Signals) -> Scorer:
    """d_i = (min(l_i, q95) - min) / (max - min + 1e-8)."""
    scale = loss_scale(reference.loss)

    def score(signals: Signals) -> Scored:
        value = scale(signals.loss)
        return value, {"difficulty": value}

    return score


def uncertainty(reference: Signals) -> Scorer:
    """u_i, the entropy of the prediction over its maximum; needs no reference."""

    def score(signals: Signals) -> Scored:
        value = finite_uncertainty(signals)
        return value, {"uncertainty": value}

    return score


def composite(reference: Signals) -> Scorer:
    """q_i = w d_i + (1 - w) u_i with the tuning-free weight w = Var(d) / (Var(d) + Var(u) + 1e-8) of the reference."""
    scale = loss_scale(reference.loss)
    own = scale(reference.loss), finite_uncertainty(reference)
    spread, other = (values.var(correction=0) for values in own)
    weight = (spread / (spread + other + EPSILON)).clamp(0, 1)

    def score(signals: Signals) -> Scored:
        hard, unsure = own if signals is reference else (scale(signals.loss), finite_uncertainty(signals))
        value = weight * hard + (1 - weight) * unsure
        return value, {"difficulty": hard, "uncertainty": unsure, "weight": weight}

    return score


def finite_uncertainty(signals: Signals) -> Tensor:
    """The uncertainty, with 1 instead of NaN from a diverged model."""
    return signals.uncertainty.nan_to_num(nan=1.0)


def rank(values: Tensor, reference: Tensor | None = None) -> Tensor:
    """Position of each value in the distribution of the reference, in [0, 1]; equal values get their middle.

    Args:
        values: float ``(n,)``, or ``(k, n)`` for k separate sets.
        reference: float ``(m,)`` or ``(k, m)``, m of at least 1; the values themselves if None.
    """
    # Searching for values in order takes a tenth of the time on a CPU.
    wanted, order = in_order(values)
    among = wanted if reference is None else in_order(reference)[0]
    below = torch.searchsorted(among, wanted)
    not_above = torch.searchsorted(among, wanted, right=True)
    positions = (below + not_above).float() / (2 * among.shape[-1])
    return torch.empty_like(positions).scatter_(-1, order, positions)


def in_order(values: Tensor) -> tuple[Tensor, Tensor]:
    """``values.sort()``, except for the order of equals; on a CPU by NumPy, in a quarter of the time."""
    if values.device.type != "cpu" or values.dtype is not torch.float32:
        return values.sort()
    order = torch.from_numpy(values.detach().numpy().argsort(axis=-1))
    return values.gather(-1, order), order


def alignment(reference: Signals) -> Scorer:
    """a_i, how far training on a sample moves the last layer down the validation loss; needs no reference.

    It is 0 if a diverged model gives none. With clean validation labels it tells a mislabelled sample from a hard one,
    which difficulty and uncertainty cannot. See :func:`data_select_gym.signals.alignment`. Scoring signals that hold no
    alignment is a ``ValueError``.
    """

    def score(signals: Signals) -> Scored:
        if signals.alignment is None:
            raise ValueError("the signals hold no alignment; a TrainingRun records it with alignment=True")
        value = signals.alignment.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        return value, {"alignment": value}

    return score


SAMPLE_SCORES: dict[str, SampleScore] = {
    "difficulty": difficulty,
    "uncertainty": uncertainty,
    "composite": composite,
    "alignment": alignment,
}
