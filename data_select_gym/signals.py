"""What is known of a sample after a forward pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

EPSILON = 1e-8


@dataclass(frozen=True)
class Signals:
    """Signals of n samples, as tensors on one device.

    Attributes:
        loss: float32 ``(n,)``, the per-sample loss that is trained on; +inf where it was never seen.
        uncertainty: float32 ``(n,)`` in [0, 1], entropy of the prediction over its maximum.
        confidence: float32 ``(n,)`` in [0, 1], largest predicted probability.
        margin: float32 ``(n,)`` in [-1, 1], probability of the label minus the largest other one.
        correct: bool ``(n,)``, whether the prediction is the label.
        el2n: float32 ``(n,)`` in [0, sqrt(2)], norm of prediction minus label (Paul et al., arXiv 2107.07075).
        embedding: float32 ``(n, D)``, input of the model's last layer; None where nobody asked for it.
    """

    loss: Tensor
    uncertainty: Tensor
    confidence: Tensor
    margin: Tensor
    correct: Tensor
    el2n: Tensor
    embedding: Tensor | None = None

    def __len__(self) -> int:
        return len(self.loss)

    def columns(self) -> dict[str, Tensor]:
        """The signals that are there, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def rows(self, positions: Tensor) -> Signals:
        """The rows at ``positions`` (int64 ``(k,)``)."""
        return Signals(**{name: column[positions] for name, column in self.columns().items()})

    def replaced(self, positions: Tensor, other: Signals) -> Signals:
        """A copy in which the rows at ``positions`` (int64 ``(k,)``) are those of ``other`` (k rows)."""
        new = {name: column.index_copy(0, positions, other.columns()[name]) for name, column in self.columns().items()}
        return replace(self, **new)

    @staticmethod
    def concatenated(parts: list[Signals]) -> Signals:
        """The rows of all ``parts``, in order."""
        columns = [part.columns() for part in parts]
        return Signals(**{name: torch.cat([part[name] for part in columns]) for name in columns[0]})


@torch.no_grad()
def classification_signals(logits: Tensor, targets: Tensor, losses: Tensor, embedding: Tensor | None = None) -> Signals:
    """Signals of a classifier's predictions, in one pass on the logits' device.

    The uncertainty is Data Agent's (arXiv 2603.07433): -sum_c p_c log(p_c + 1e-8) / log C.

    Args:
        logits: float ``(n, C)`` with C of at least 2.
        targets: int64 ``(n,)``, labels in [0, C).
        losses: float ``(n,)``, the per-sample losses trained on.
        embedding: float ``(n, D)``, or None.
    """
    probabilities = logits.detach().float().softmax(dim=1)
    labels = targets.unsqueeze(1)
    of_label = probabilities.gather(1, labels).squeeze(1)
    largest_other = probabilities.scatter(1, labels, -1.0).amax(dim=1)
    entropy = -(probabilities * (probabilities + EPSILON).log()).sum(dim=1)
    # Squares of probabilities would not do: their difference loses its digits where the prediction is nearly right.
    error = probabilities.scatter_add(1, labels, torch.full_like(probabilities[:, :1], -1.0))
    return Signals(
        loss=losses.detach().float(),
        uncertainty=(entropy / math.log(logits.shape[1])).clamp(0, 1),
        confidence=probabilities.amax(dim=1),
        margin=of_label - largest_other,
        correct=of_label > largest_other,
        el2n=error.norm(dim=1),
        embedding=None if embedding is None else embedding.detach().float(),
    )
