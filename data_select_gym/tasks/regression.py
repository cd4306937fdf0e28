"""Regression: an objective for numeric targets."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_select_gym.arguments import check_flag, check_kind, check_positive
from data_select_gym.phase_timer import timed
from data_select_gym.signals import Signals
from data_select_gym.tasks.last_layer import call_model, find_last_layer, run_model
from data_select_gym.tasks.objectives import ChecksTargets, NamesMetric

# The least variance that counts, in units of the squared scale.
LEAST_VARIANCE = 1e-6


class Regression(NamesMetric, ChecksTargets):
    """Squared error, or with ``variance`` Gaussian negative log-likelihood, for targets float ``(n,)`` or ``(n, K)``.

    The model gives a value for each target, ``(n,)`` or ``(n, K)``, or with ``variance`` K means followed by the
    logarithms of K variances, ``(n, 2K)``. The loss of a sample is the mean over its K targets.

    The signals of a sample, with e^2 for the mean squared error over its targets and s for the scale:

    - uncertainty: the mean over its targets of v / (v + s^2) for the predicted variance v. Without ``variance`` it is
      unknown and 0: the composite quality is then the difficulty alone (its weight w is 1, as a constant uncertainty
      has no variance), and a reward of the uncertainty and the rule ``uncertainty`` treat all samples alike;
    - confidence: 1 minus the uncertainty;
    - el2n: sqrt(2) sqrt(e^2 / (e^2 + s^2)), which ranks samples by the norm of the error;
    - margin 0 and correct False, since there are no classes: the rules ``margin`` and ``forgetting`` then keep an
      uninformed share;
    - error: the gradient of the loss in the model's output, which makes the alignment what it is for a classifier.
    """

    primary_metric = "neg_mse"

    def __init__(self, *, variance: bool = False, scale: float = 1.0, head: str | None = None) -> None:
        """Make the objective.

        Args:
            variance: whether the model also predicts variances.
            scale: what counts as a large error, in units of the targets: their standard deviation, so 1 for
                standardised ones. It affects only the signals and the least variance, 1e-6 of its square.
            head: name of the model's last layer, as in ``model.named_modules()``: its input is the embedding. The last
                ``nn.Linear`` if None, which must be as wide as the output if an embedding is needed.

        Raises:
            ValueError: ``scale`` is not a finite number above 0.
            TypeError: ``variance`` is not True or False, or ``head`` is not a string.
        """
        self.variance = check_flag("variance", variance)
        self.scale = check_positive("scale", scale)
        self.head = None if head is None else check_kind("head", head, str)

    def __call__(self, model: nn.Module, inputs: Tensor, targets: Tensor, *, embed: bool) -> tuple[Tensor, Signals]:
        """The losses and signals of a batch, as :class:`~data_select_gym.tasks.Objective` says.

        Raises:
            ValueError: the model's output does not fit the targets, or the model does not use its head.
        """
        given, embedding = run_model(model, inputs, self.head, embed=embed)
        output, wanted = self._columns(given, targets)
        losses = self._losses(output, wanted)
        return losses, self._signals(output.detach(), wanted, losses.detach(), embedding)

    def metrics(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Squared error, its negative (higher is better, as for any quality) and absolute error, each ``(n,)``.

        Each is the mean over the K targets; with ``variance`` there is also the negative log-likelihood.
        """
        output, wanted = self._columns(call_model(model, inputs), targets)
        error = self._mean(output) - wanted
        squared = error.square().mean(dim=1)
        metrics = {"neg_mse": -squared, "mse": squared, "mae": error.abs().mean(dim=1)}
        return metrics | {"nll": self._losses(output, wanted)} if self.variance else metrics

    def embedding_dim(self, model: nn.Module) -> int:
        """Width of the last layer's input.

        Raises:
            ValueError: the model has no such layer, or it is not an ``nn.Linear``.
        """
        return find_last_layer(model, self.head).in_features

    def check_targets(self, targets: Any) -> None:
        """Check that they are numbers; on the CPU, that they are finite.

        Raises:
            ValueError: they are not.
        """
        if not isinstance(targets, Tensor):
            raise ValueError(
                f"targets are a {type(targets).__name__}, {targets!r:.100}; regression needs a tensor of "
                "floating-point numbers of shape (n,) or (n, K)"
            )
        if not targets.is_floating_point() or targets.ndim not in (1, 2) or targets.numel() == 0:
            raise ValueError(
                f"targets are {targets.dtype} of shape {tuple(targets.shape)}; regression needs floating-point numbers "
                "of shape (n,) or (n, K)"
            )
        if targets.device.type == "cpu" and not targets.isfinite().all():
            raise ValueError("targets have a value that is not finite; regression needs finite ones")

    def _mean(self, output: Tensor) -> Tensor:
        return output.chunk(2, dim=1)[0] if self.variance else output

    def _losses(self, output: Tensor, targets: Tensor) -> Tensor:
        if not self.variance:
            return F.mse_loss(output, targets, reduction="none").mean(dim=1)
        mean, log_variance = output.chunk(2, dim=1)
        variance = log_variance.exp().clone()  # its gradient is that of the variance before it is clamped
        # Like F.gaussian_nll_loss, without its check of the variances, which would wait for a GPU.
        with torch.no_grad():
            variance.clamp_(min=LEAST_VARIANCE * self.scale**2)
        return (0.5 * (variance.log() + (mean - targets) ** 2 / variance)).mean(dim=1)

    @timed("signals")
    def _signals(self, output: Tensor, targets: Tensor, losses: Tensor, embedding: Tensor | None) -> Signals:
        squared = (self._mean(output) - targets).square().mean(dim=1)
        uncertainty = torch.zeros_like(losses)
        if self.variance:
            # v / (v + s^2), without a variance that could be infinite.
            uncertainty = (output.chunk(2, dim=1)[1] - 2 * math.log(self.scale)).sigmoid().mean(dim=1)
        return Signals(
            loss=losses,
            uncertainty=uncertainty,
            confidence=1 - uncertainty,
            margin=torch.zeros_like(losses),
            correct=torch.zeros_like(losses, dtype=torch.bool),
            # An infinite squared error counts as the largest.
            el2n=math.sqrt(2) * (squared / (squared + self.scale**2)).nan_to_num(nan=1.0).sqrt(),
            embedding=None if embedding is None else embedding.detach().float(),
            error=None if embedding is None else self._gradient(output, targets),
        )

    @torch.enable_grad()
    def _gradient(self, output: Tensor, targets: Tensor) -> Tensor:
        """Gradient of each sample's loss in its own output, of the output's shape."""
        leaf = output.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self._losses(leaf, targets).sum(), leaf)
        return gradient

    def _columns(self, output: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Output, ``(n, K)`` or ``(n, 2K)``, and targets, ``(n, K)``, as float32.

        Target values are checked only on the CPU; on a GPU that would take a copy to the host at every step.

        Raises:
            ValueError: the output does not fit the targets, or these are not finite floating-point numbers.
        """
        self.check_targets(targets)
        wanted = targets.float().reshape(len(targets), -1)
        if not isinstance(output, Tensor):
            raise ValueError(f"the model's output is a {type(output).__name__}; regression needs a tensor")
        needed = (len(wanted), wanted.shape[1] * (2 if self.variance else 1))
        allowed = [needed, needed[:1]] if needed[1] == 1 else [needed]
        if tuple(output.shape) not in allowed or not output.is_floating_point():
            raise ValueError(
                f"the model's output is {output.dtype} of shape {tuple(output.shape)}; regression with "
                f"variance={self.variance!r} on targets of shape {tuple(targets.shape)} needs floating-point numbers "
                f"of shape {' or '.join(map(str, allowed))}"
            )
        return output.float().reshape(needed), wanted
