"""Augmentations of a batch of images, on its device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from data_select_gym.arguments import check_count


@dataclass(frozen=True)
class FlipCrop:
    """Flip half of the images left to right, and crop each at random from its copy that is padded by reflection.

    Attributes:
        padding: pixels on each side; 0 only flips.
    """

    padding: int = 4

    def __post_init__(self) -> None:
        """Check the value.

        Raises:
            ValueError: ``padding`` below 0.
        """
        object.__setattr__(self, "padding", check_count("padding", self.padding, least=0))

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images of the same shape and type.

        Args:
            images: ``(n, C, H, W)`` of any type.
            generator: on the same device; all randomness comes from it.

        Raises:
            ValueError: ``images`` has another shape, or ``padding`` is not less than its height and width.
        """
        if images.ndim != 4 or min(images.shape[2:]) <= self.padding:
            raise ValueError(
                f"padding={self.padding!r} does not fit images of shape {tuple(images.shape)}; "
                "it must be less than H and W of (n, C, H, W)"
            )
        count, channels, height, width = images.shape
        device = images.device
        shifts = torch.randint(2 * self.padding + 1, (2, count, 1), generator=generator, device=device) - self.padding
        flipped = torch.randint(2, (count, 1), generator=generator, device=device) == 1
        rows = _reflect(torch.arange(height, device=device) + shifts[0], height)
        columns = _reflect(torch.arange(width, device=device) + shifts[1], width)
        columns = torch.where(flipped, columns.flip(1), columns)
        samples = torch.arange(count, device=device)
        # Both at once: one gather reads each pixel once, and the padded copy is never made.
        return images[
            samples[:, None, None, None],
            torch.arange(channels, device=device)[:, None, None],
            rows[:, None, :, None],
            columns[:, None, None, :],
        ]


def _reflect(positions: Tensor, size: int) -> Tensor:
    """Positions on a line of ``size`` pixels, for positions that may lie up to ``size - 1`` beyond its ends."""
    return size - 1 - (size - 1 - positions.abs()).abs()
