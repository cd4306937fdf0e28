"""Object detection: an objective for detectors with the interface of torchvision's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from data_select_gym.phase_timer import timed
from data_select_gym.signals import EPSILON, Signals
from data_select_gym.tasks.objectives import NamesMetric


class Detection(NamesMetric):
    """The sum of a detector's losses, for each image separately.

    In training mode the model takes a list of images and a list of targets (dicts of boxes, labels and more) and
    returns a dict of losses, as torchvision's detectors do. Those losses are for a whole batch, so the model is called
    once for each image. Freeze its batch normalisation, as in torchvision's pre-trained detectors. For RetinaNet the
    mean of the losses is exactly the batch's; Faster R-CNN divides its sampled regions among the images of a batch.

    The signals of an image come from the same pass, from the class scores of its regions or anchors. Each is weighted
    by its score s, the probability of the likeliest class other than the background:

    - uncertainty: the weighted mean of their entropies over the largest possible one;
    - confidence: the largest score;
    - el2n: sqrt(2) l / (1 + l) for a loss l, which ranks images by their loss;
    - margin 0 and correct False, since an image has no single class: the rules ``margin`` and ``forgetting`` then keep
      an uninformed share;
    - embedding: the weighted mean of the last layer's inputs, where that is an ``nn.Linear``.

    The quality is the negative loss on held-out images, since every such detector has training losses. For mean average
    precision use :attr:`Task.final_metrics <data_select_gym.tasks.Task>`.
    """

    primary_metric = "neg_loss"

    def __init__(self, *, scores: str = "roi_heads.box_predictor.cls_score", background: bool = True) -> None:
        """Make the objective.

        Args:
            scores: name of the layer, as in ``model.named_modules()``, whose output is the logits of all regions or
                anchors of an image, ``(R, C)`` or ``(1, R, C)``. The default is that of Faster R-CNN and Mask R-CNN; in
                RetinaNet, FCOS and SSD it is ``"head.classification_head"``.
            background: whether class 0 is the background and a softmax goes over all classes, as in Faster R-CNN, Mask
                R-CNN and SSD; False for a sigmoid for each class, as in RetinaNet and FCOS.
        """
        self.scores = scores
        self.background = background

    def __call__(self, model: nn.Module, inputs: Any, targets: Any, *, embed: bool) -> tuple[Tensor, Signals]:
        """The losses and signals of a batch, as :class:`~data_select_gym.tasks.Objective` says.

        Args:
            model: a detector.
            inputs: a list of n images.
            targets: a list of n dicts.
            embed: whether the signals must hold the embedding.

        Raises:
            ValueError: the model has no such layer, it returns something other than losses or logits, or an embedding
                is wanted and the layer is not an ``nn.Linear``.
        """
        layer = self._layer(model, linear=embed)
        with _captured(layer) as seen, _giving_losses(model):
            losses = torch.stack([self._loss(model, *pair) for pair in zip(inputs, targets, strict=True)])
        if len(seen) != len(inputs):
            raise ValueError(
                f"scores={self.scores!r}: the model uses this layer {len(seen)} times for {len(inputs)} images"
            )
        return losses, self._signals(losses.detach().float(), seen, embed=embed)

    @torch.no_grad()
    def metrics(self, model: nn.Module, inputs: Any, targets: Any) -> dict[str, Tensor]:
        """The loss of each image and its negative, for which higher is better, each ``(n,)``."""
        with _giving_losses(model):
            losses = torch.stack([self._loss(model, *pair) for pair in zip(inputs, targets, strict=True)]).float()
        return {"neg_loss": -losses, "loss": losses}

    def embedding_dim(self, model: nn.Module) -> int:
        """Width of the layer's input.

        Raises:
            ValueError: the model has no such layer, or it is not an ``nn.Linear``.
        """
        return int(self._layer(model, linear=True).in_features)  # type: ignore[arg-type]

    def _layer(self, model: nn.Module, *, linear: bool) -> nn.Module:
        layers: dict[str, nn.Module] = dict(model.named_modules())
        if self.scores not in layers:
            raise ValueError(f"scores={self.scores!r} is not a layer of the model")
        if linear and not isinstance(layers[self.scores], nn.Linear):
            raise ValueError(f"scores={self.scores!r} is not an nn.Linear, so images have no embedding")
        return layers[self.scores]

    def _loss(self, model: nn.Module, image: Tensor, target: Any) -> Tensor:
        losses = model([image], [target])
        if not isinstance(losses, dict) or not losses:
            raise ValueError(
                f"the model gives a {type(losses).__name__}; a detector in training gives a dict of losses"
            )
        return torch.stack([loss.sum() for loss in losses.values()]).sum()

    @timed("signals")
    @torch.no_grad()
    def _signals(self, losses: Tensor, seen: list[tuple[Tensor, Tensor]], *, embed: bool) -> Signals:
        uncertainty, confidence, embeddings = [], [], []
        for features, logits in seen:
            entropy, score = self._of_regions(logits)
            weights = score / (score.sum() + EPSILON)
            uncertainty.append((weights * entropy).sum())
            confidence.append(score.amax() if len(score) else score.sum())
            if embed:
                embeddings.append(weights @ features.float())
        return Signals(
            loss=losses,
            uncertainty=torch.stack(uncertainty).clamp(0, 1),
            confidence=torch.stack(confidence),
            margin=torch.zeros_like(losses),
            correct=torch.zeros_like(losses, dtype=torch.bool),
            el2n=math.sqrt(2) * (losses / (1 + losses)).nan_to_num(nan=1.0).clamp(0, 1),
            embedding=torch.stack(embeddings) if embed else None,
        )

    def _of_regions(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Entropy over its maximum and score of each region, float32 ``(R,)`` in [0, 1]."""
        if not isinstance(logits, Tensor) or logits.ndim < 2 or logits.shape[-1] < (2 if self.background else 1):
            found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(f"scores={self.scores!r} gives {found}; logits of shape (R, C) are needed")
        rows = logits.detach().float().flatten(0, -2)
        if self.background:
            chances = rows.softmax(dim=1)
            entropy = -torch.special.xlogy(chances, chances).sum(dim=1) / math.log(rows.shape[1])
            return entropy, chances[:, 1:].amax(dim=1)
        chances = rows.sigmoid().amax(dim=1)
        entropy = -(torch.special.xlogy(chances, chances) + torch.special.xlogy(1 - chances, 1 - chances))
        return entropy / math.log(2), chances


def as_lists(samples: list[Any]) -> tuple[list[Any], list[Any]]:
    """Images and targets of a batch, each as a list: the ``collate`` of a detection task's ``LoaderConfig``."""
    return [image for image, _ in samples], [target for _, target in samples]


@contextmanager
def _captured(layer: nn.Module) -> Iterator[list[tuple[Any, Any]]]:
    """Collect first input and output of each use of ``layer`` within the block."""
    seen: list[tuple[Any, Any]] = []

    # Compiled, it would be for a list of one length.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def keep(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        seen.append((inputs[0], output))

    hook = layer.register_forward_hook(keep)
    try:
        yield seen
    finally:
        hook.remove()


@contextmanager
def _giving_losses(model: nn.Module) -> Iterator[None]:
    """Have a model that is in evaluation mode give losses; its normalisation and dropout stay as in evaluation."""
    if model.training:
        yield
        return
    model.train()
    for module in model.modules():
        if isinstance(module, _BatchNorm | _DropoutNd):
            module.eval()
    try:
        yield
    finally:
        model.eval()
