"""Objectives: turn a model's output on a batch into per-sample losses, signals and metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_select_gym.arguments import check_choice, check_kind, check_share
from data_select_gym.deprecation import rename_members
from data_select_gym.signals import Signals, classification_signals
from data_select_gym.tasks.data import is_fraction
from data_select_gym.tasks.last_layer import find_last_layer, run_model

LOSSES = (CROSS_ENTROPY, GCE) = ("cross-entropy", "gce")


class Objective(Protocol):
    """What a kind of task trains for.

    Attributes:
        primary_metric: name of the metric that is the quality of a run; higher is better.
    """

    primary_metric: str

    def __call__(self, model: nn.Module, inputs: Any, targets: Any, *, embed: bool) -> tuple[Tensor, Signals]:
        """Run the model on a batch of n samples.

        Args:
            model: in the mode that the caller wants.
            inputs: a batch of inputs on the model's device: a tensor with n in its first dimension, or whatever the
                dataset gives.
            targets: their targets.
            embed: whether the signals must hold the embedding.

        Returns:
            The differentiable losses, float ``(n,)``, and the signals, n rows.
        """

    def metrics(self, model: nn.Module, inputs: Any, targets: Any) -> dict[str, Tensor]:
        """Metrics of each sample, float ``(n,)`` by name; a run reports their means over a set."""

    def embedding_dim(self, model: nn.Module) -> int:
        """Length of an embedding of this model."""


class Summarises(Protocol):
    """An objective that reports something other than means for a set of samples."""

    def summarise(self, samples: dict[str, Tensor]) -> dict[str, float]:
        """The reported figures of a set, from the metrics of all its samples, float ``(n,)`` by name."""


class HasClasses(Protocol):
    """An objective whose quality is also reported by class; it must be the mean of one of its metrics."""

    def classes(self, targets: Any) -> Tensor:
        """The class of each sample of a batch, int64 ``(n,)`` of at least 0."""


def summarises(objective: Objective) -> TypeGuard[Summarises]:
    """Whether it has that method, rather than something else of that name."""
    return callable(getattr(objective, "summarise", None))


def has_classes(objective: Objective) -> TypeGuard[HasClasses]:
    """Whether it has that method, rather than something else of that name, such as the classes themselves."""
    return callable(getattr(objective, "classes", None))


class NamesMetric:
    """Base of the bundled objectives: derived ones may name their metric ``quality``, as in 0.1, with a warning."""

    primary_metric: str

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        rename_members(cls, {"quality": "primary_metric"})


class ChecksTargets(ABC):
    """Base class of an objective that can check the first targets of a dataset."""

    @abstractmethod
    def check_targets(self, targets: Any) -> None:
        """Check the targets of a batch.

        Raises:
            ValueError: they do not fit; the message says what they are and what is needed.
        """


class Classification(NamesMetric, ChecksTargets):
    """Cross-entropy with label smoothing, or a robust loss, for models that give logits ``(n, C)``.

    Targets are labels from 0 to C - 1: whole numbers of any type, of shape ``(n,)`` or ``(n, 1)``.

    The signal ``loss`` is the loss that is trained on. All other signals are of the prediction and do not depend on the
    loss: ``error``, and so the alignment, is prediction minus label, the gradient of cross-entropy. The metric ``loss``
    of evaluations is always cross-entropy without label smoothing.
    """

    primary_metric = "accuracy"

    def __init__(
        self,
        *,
        label_smoothing: float = 0.0,
        head: str | None = None,
        loss: str = CROSS_ENTROPY,
        q: float = 0.7,
    ) -> None:
        """Make the objective.

        Args:
            label_smoothing: of cross-entropy, in [0, 1]; not used in evaluation.
            head: name of the model's last layer, as in ``model.named_modules()``: its input is the embedding. The last
                ``nn.Linear`` if None, which must be as wide as the output if an embedding is needed.
            loss: that is trained on: ``"cross-entropy"``; or ``"gce"``, generalised cross-entropy (Zhang and Sabuncu,
                arXiv 1805.07836), which is robust to wrong labels and has no label smoothing.
            q: of ``"gce"``, in (0, 1]: near 0 it is cross-entropy, at 1 the probability of all other classes. The
                paper's default is 0.7.

        Raises:
            ValueError: ``label_smoothing`` or ``q`` is out of its range, ``loss`` is unknown, or ``"gce"`` is given a
                ``label_smoothing``.
            TypeError: ``head`` is not a string.
        """
        self.label_smoothing = check_share("label_smoothing", label_smoothing, zero=True)
        self.loss, self.q = check_choice("loss", loss, LOSSES), check_share("q", q)
        if loss != CROSS_ENTROPY and label_smoothing:
            raise ValueError(f"label_smoothing={label_smoothing!r}: loss={loss!r} has none; use 0")
        self.head = None if head is None else check_kind("head", head, str)

    def __call__(self, model: nn.Module, inputs: Tensor, targets: Tensor, *, embed: bool) -> tuple[Tensor, Signals]:
        """The losses and signals of a batch, as :class:`Objective` says.

        Raises:
            ValueError: the model's output is not logits that fit the targets, or the model does not use its head.
        """
        labels = as_labels(targets)
        logits, embedding = run_model(model, inputs, self.head, embed=embed)
        check_logits(logits, labels)
        if self.loss == CROSS_ENTROPY:
            losses = F.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=self.label_smoothing)
        else:
            losses = generalised_cross_entropy(logits.float(), labels, self.q)
        return losses, classification_signals(logits, labels, losses, embedding)

    def metrics(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Accuracy (0 or 1) and cross-entropy without label smoothing, each float ``(n,)``."""
        labels = as_labels(targets)
        logits, _ = run_model(model, inputs, None, embed=False)
        check_logits(logits, labels)
        losses = F.cross_entropy(logits.float(), labels, reduction="none")
        return {"accuracy": (logits.argmax(dim=1) == labels).float(), "loss": losses}

    def classes(self, targets: Tensor) -> Tensor:
        """The labels."""
        return as_labels(targets)

    def check_targets(self, targets: Any) -> None:
        """Check that they are labels.

        Raises:
            ValueError: they are not.
        """
        as_labels(targets)

    def embedding_dim(self, model: nn.Module) -> int:
        """Width of the last layer's input.

        Raises:
            ValueError: the model has no such layer, or it is not an ``nn.Linear``.
        """
        return find_last_layer(model, self.head).in_features


def classification(loss: str, *, label_smoothing: float = 0.0, head: str | None = None) -> Classification:
    """The objective with this loss, and with the label smoothing if the loss has one.

    Raises:
        ValueError: ``loss`` is unknown.
    """
    smoothing = label_smoothing if loss == CROSS_ENTROPY else 0.0
    return Classification(label_smoothing=smoothing, head=head, loss=loss)


def generalised_cross_entropy(logits: Tensor, labels: Tensor, q: float) -> Tensor:
    """(1 - p_y^q) / q for the probability p_y of the label, float ``(n,)`` in [0, 1 / q]; exact near q = 0 too.

    Its gradient is that of cross-entropy times p_y^q, so samples whose label is thought unlikely count for less.

    Args:
        logits: float ``(n, C)``.
        labels: int64 ``(n,)``.
        q: in (0, 1].
    """
    return -torch.expm1(-q * F.cross_entropy(logits, labels, reduction="none")) / q


def as_labels(targets: Any) -> Tensor:
    """Labels as int64 ``(n,)``.

    Raises:
        ValueError: they are not whole numbers of shape ``(n,)`` or ``(n, 1)``.
    """
    if not isinstance(targets, Tensor):
        raise ValueError(
            f"targets are a {type(targets).__name__}, {targets!r:.100}; classification needs whole numbers of shape "
            "(n,), so number the classes from 0"
        )
    if is_fraction(targets) or targets.ndim not in (1, 2) or targets.numel() != len(targets):
        raise ValueError(
            f"targets are {targets.dtype} of shape {tuple(targets.shape)}; classification needs whole numbers of shape "
            "(n,) or (n, 1)"
        )
    return targets.flatten().long()


def check_logits(logits: Tensor, targets: Tensor) -> None:
    """Check that a model's output is logits for these targets.

    Label values are checked only on the CPU; on a GPU that would take a copy to the host at every step.

    Raises:
        ValueError: it is not; the message says what it is and what is needed.
    """
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"the model's output is a {type(logits).__name__}; classification needs a tensor of logits (n, C)"
        )
    if logits.ndim != 2 or logits.shape[0] != len(targets) or logits.shape[1] < 2 or not logits.is_floating_point():
        raise ValueError(
            f"the model's output is {logits.dtype} of shape {tuple(logits.shape)}; classification needs floating-point "
            f"logits of shape ({len(targets)}, C) with C of at least 2"
        )
    if targets.device.type == "cpu" and not 0 <= int(targets.min()) <= int(targets.max()) < logits.shape[1]:
        raise ValueError(
            f"targets are labels from {int(targets.min())} to {int(targets.max())}; {logits.shape[1]} logits "
            f"are for labels from 0 to {logits.shape[1] - 1}"
        )
