"""Signals: what is known of a sample after a forward pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from data_select_gym.phase_timer import timed

EPSILON = 1e-8


@dataclass(frozen=True)
class Signals:
    """Signals of n samples, as tensors on one device.

    The descriptions are for a classifier. Every objective keeps the ranges, and says what its signals mean instead.

    Attributes:
        loss: float32 ``(n,)``, the per-sample loss that is trained on; +inf for samples never seen.
        uncertainty: float32 ``(n,)`` in [0, 1], entropy of the prediction over its maximum.
        confidence: float32 ``(n,)`` in [0, 1], largest predicted probability.
        margin: float32 ``(n,)`` in [-1, 1], probability of the label minus the largest other one.
        correct: bool ``(n,)``, whether the prediction is the label.
        el2n: float32 ``(n,)`` in [0, sqrt(2)], norm of prediction minus label (Paul et al., arXiv 2107.07075).
        embedding: float32 ``(n, D)``, input of the model's last layer, or float16 if it comes from a ledger; None if it
            was not asked for.
        error: float32 ``(n, C)``, the gradient of the loss in the model's output: prediction minus label. None if the
            embedding was not asked for. A ledger does not keep it.
        alignment: float32 ``(n,)``, how far training on the sample moves the last layer down the validation loss, see
            :func:`alignment`; None if it was not asked for.
    """

    loss: Tensor
    uncertainty: Tensor
    confidence: Tensor
    margin: Tensor
    correct: Tensor
    el2n: Tensor
    embedding: Tensor | None = None
    error: Tensor | None = None
    alignment: Tensor | None = None

    def __len__(self) -> int:
        return len(self.loss)

    def columns(self) -> dict[str, Tensor]:
        """The signals that are not None, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def rows(self, positions: Tensor) -> Signals:
        """The rows at ``positions`` (int64 ``(k,)``)."""
        return Signals(**{name: column[positions] for name, column in self.columns().items()})

    @staticmethod
    def concatenated(parts: list[Signals]) -> Signals:
        """The rows of all ``parts`` in order."""
        columns = [part.columns() for part in parts]
        return Signals(**{name: torch.cat([part[name] for part in columns]) for name in columns[0]})


@timed("signals")
@torch.no_grad()
def classification_signals(logits: Tensor, targets: Tensor, losses: Tensor, embedding: Tensor | None = None) -> Signals:
    """The signals of a classifier's predictions, in one pass on the logits' device.

    The uncertainty is Data Agent's (arXiv 2603.07433): -sum_c p_c log(p_c + 1e-8) / log C.

    Args:
        logits: float ``(n, C)`` with C of at least 2.
        targets: int64 ``(n,)``, labels in [0, C).
        losses: float ``(n,)``, the per-sample losses that are trained on.
        embedding: float ``(n, D)``, or None.
    """
    probabilities = logits.detach().float().softmax(dim=1)
    labels = targets.unsqueeze(1)
    of_label = probabilities.gather(1, labels).squeeze(1)
    largest_other = probabilities.scatter(1, labels, -1.0).amax(dim=1)
    entropy = -(probabilities * (probabilities + EPSILON).log()).sum(dim=1)
    # Not from squares of probabilities: their difference loses its digits if the prediction is nearly right.
    error = probabilities.scatter_add(1, labels, torch.full_like(probabilities[:, :1], -1.0))
    return Signals(
        loss=losses.detach().float(),
        uncertainty=(entropy / math.log(logits.shape[1])).clamp(0, 1),
        confidence=probabilities.amax(dim=1),
        margin=of_label - largest_other,
        correct=of_label > largest_other,
        el2n=error.norm(dim=1),
        embedding=None if embedding is None else embedding.detach().float(),
        error=None if embedding is None else error,
    )


def last_layer_gradient(signals: Signals) -> Tensor:
    """Gradient of the mean loss with respect to the weights of a linear last layer, float32 ``(C, D)``.

    The mean over the samples of (p - y) h^T, for prediction p, label y and embedding h.

    Args:
        signals: of n samples, with embedding and error.

    Raises:
        ValueError: the signals hold no embedding or no error.
    """
    error, embedding = _last_layer(signals)
    return error.T @ embedding / len(signals)


def alignment(signals: Signals, gradient: Tensor) -> Tensor:
    """How far a step on each sample moves the last layer down a loss with this ``gradient``, float32 ``(n,)``.

    a_i = <(p_i - y_i) h_i^T, G> / |G|, for prediction p_i, label y_i and embedding h_i of a sample.

    Args:
        signals: of n samples, with embedding and error.
        gradient: G, float32 ``(C, D)``.

    Raises:
        ValueError: the signals hold no embedding or no error.
    """
    error, embedding = _last_layer(signals)
    size: Tensor = gradient.norm()
    return ((error @ gradient) * embedding).sum(dim=1) / (size + EPSILON)


def _last_layer(signals: Signals) -> tuple[Tensor, Tensor]:
    if signals.error is None or signals.embedding is None:
        raise ValueError("alignment needs an objective whose signals hold embedding and error, such as Classification")
    return signals.error, signals.embedding
