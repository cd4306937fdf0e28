"""Running statistics of normalisation layers, which a forward pass in training mode changes."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RunningStatistics:
    """The running statistics of a model, so that a forward pass can be undone."""

    def __init__(self, model: nn.Module) -> None:
        """Find them. The model must keep its layers from then on."""
        layers = [layer for layer in model.modules() if isinstance(getattr(layer, "running_mean", None), Tensor)]
        buffers = [buffer for layer in layers for buffer in layer.buffers(recurse=False)]
        types = dict.fromkeys(buffer.dtype for buffer in buffers)
        self.groups = [[buffer for buffer in buffers if buffer.dtype == each] for each in types]

    def copy(self) -> list[Tensor]:
        """A copy for :meth:`restore`."""
        # One kernel for each dtype; a copy of each buffer would take some hundred.
        return [torch.cat([buffer.reshape(-1) for buffer in group]) for group in self.groups]

    def restore(self, copies: list[Tensor]) -> None:
        """Put back what :meth:`copy` returned."""
        for group, copy in zip(self.groups, copies, strict=True):
            for buffer, values in zip(group, torch.split(copy, [buffer.numel() for buffer in group]), strict=True):
                buffer.copy_(values.view_as(buffer))
