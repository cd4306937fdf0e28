"""How good samples are to train on, judged against a reference: Data Agent's difficulty, uncertainty and composite.

The reference is the set of signals over which losses are clipped and scaled and variances are taken. The paper uses the
training minibatch itself; the environment uses the whole pool's recorded signals and applies them to the fresh signals
of the kept samples, since a kept set of easy samples would look as good as one of hard ones if it were stretched by
itself. Formulas: Data Agent, arXiv 2603.07433.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from data_select_gym.signals import EPSILON, Signals

CLIP_QUANTILE = 0.95

# Quality of each row of the first signals, judged against the second, in [0, 1] but for the alignment; and what it is
# made of by name: a tensor for each, of one value or of one value a row.
Quality: TypeAlias = Callable[[Signals, Signals], tuple[Tensor, dict[str, Tensor]]]


def finite_loss(loss: Tensor) -> Tensor:
    """``loss`` (float ``(n,)``) with the largest finite one in the place of those that are not finite."""
    finite = loss.isfinite()
    largest = torch.where(finite, loss, -torch.inf).amax().nan_to_num(neginf=0.0)
    return torch.where(finite, loss, largest)


def scaled_loss(loss: Tensor, reference: Tensor) -> Tensor:
    """Losses clipped at the reference's 0.95 quantile and min-max scaled by the clipped reference, in [0, 1].

    Args:
        loss: float ``(n,)``.
        reference: float ``(m,)``, m of at least 1.
    """
    # Of halves, since the difference of any two of them is finite.
    loss, reference = loss / 2, finite_loss(reference) / 2
    cap = torch.quantile(reference, CLIP_QUANTILE)
    clipped = reference.clamp_max(cap)
    low, high = clipped.aminmax()
    scaled = (torch.where(loss.isfinite(), loss, cap).minimum(cap) - low) / (high - low + EPSILON / 2)
    return scaled.clamp(0, 1)


def difficulty(signals: Signals, reference: Signals) -> tuple[Tensor, dict[str, Tensor]]:
    """d_i = (min(l_i, q95) - min) / (max - min + 1e-8)."""
    value = scaled_loss(signals.loss, reference.loss)
    return value, {"difficulty": value}


def uncertainty(signals: Signals, reference: Signals) -> tuple[Tensor, dict[str, Tensor]]:
    """u_i, the entropy of the prediction over its maximum; needs no reference."""
    value = finite_uncertainty(signals)
    return value, {"uncertainty": value}


def composite(signals: Signals, reference: Signals) -> tuple[Tensor, dict[str, Tensor]]:
    """q_i = w d_i + (1 - w) u_i with the tuning-free weight w = Var(d) / (Var(d) + Var(u) + 1e-8) of the reference."""
    spread = scaled_loss(reference.loss, reference.loss).var(correction=0)
    other = finite_uncertainty(reference).var(correction=0)
    weight = (spread / (spread + other + EPSILON)).clamp(0, 1)
    hard, unsure = scaled_loss(signals.loss, reference.loss), finite_uncertainty(signals)
    value = weight * hard + (1 - weight) * unsure
    return value, {"difficulty": hard, "uncertainty": unsure, "weight": weight}


def finite_uncertainty(signals: Signals) -> Tensor:
    """The uncertainty, 1 where a diverged model gives none."""
    return signals.uncertainty.nan_to_num(nan=1.0)


def rank(values: Tensor, reference: Tensor) -> Tensor:
    """Position of each value in the distribution of the reference, in [0, 1]; the middle of a run of equals.

    Args:
        values: float ``(n,)``.
        reference: float ``(m,)``, m of at least 1.
    """
    ordered = reference.sort().values
    below = torch.searchsorted(ordered, values)
    not_above = torch.searchsorted(ordered, values, right=True)
    return (below + not_above).float() / (2 * len(ordered))


def alignment(signals: Signals, reference: Signals) -> tuple[Tensor, dict[str, Tensor]]:
    """a_i, how far training on a sample moves the last layer down the validation loss; needs no reference.

    It is 0 where a diverged model gives none.

    See :func:`data_select_gym.signals.alignment`. It tells a mislabelled sample from a hard one, which difficulty and
    uncertainty cannot, if the validation labels are clean.

    Raises:
        ValueError: the signals hold no alignment.
    """
    if signals.alignment is None:
        raise ValueError("the signals hold no alignment; a TrainingRun records it with alignment=True")
    value = signals.alignment.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    return value, {"alignment": value}


QUALITIES: dict[str, Quality] = {
    "difficulty": difficulty,
    "uncertainty": uncertainty,
    "composite": composite,
    "alignment": alignment,
}
