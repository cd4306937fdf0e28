"""Augmentations for a batch of images, on its device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from data_select_gym.arguments import check_count, check_least, check_share


@dataclass(frozen=True)
class FlipCrop:
    """Flip half of the images left to right, and crop each at random from a copy padded by reflection.

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
            generator: on the same device; the only source of randomness.

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
        # One gather for both: each pixel is read once, and the padded copy is never made.
        return images[
            samples[:, None, None, None],
            torch.arange(channels, device=device)[:, None, None],
            rows[:, None, :, None],
            columns[:, None, None, :],
        ]


def _reflect(positions: Tensor, size: int) -> Tensor:
    """Reflect positions up to ``size - 1`` beyond the ends of a line of ``size`` pixels back onto it."""
    return size - 1 - (size - 1 - positions.abs()).abs()


@dataclass(frozen=True)
class ResizedCrop:
    """Replace each image by a random part of it, stretched to full size, and flip half of them left to right.

    A part's share of the area is uniform in [``area``, 1]. The logarithm of its aspect ratio, in units of the image's
    own, is uniform in the widest symmetric range within [1 / ``ratio``, ``ratio``] in which a part of that area fits.

    Attributes:
        area: the smallest share, in (0, 1].
        ratio: the largest aspect ratio, at least 1.
    """

    area: float = 0.35
    ratio: float = 4 / 3

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: ``area`` is not in (0, 1], or ``ratio`` is below 1.
        """
        object.__setattr__(self, "area", check_share("area", self.area))
        object.__setattr__(self, "ratio", check_least("ratio", self.ratio, 1))

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images of the same shape and type.

        Args:
            images: ``(n, C, H, W)`` of any type.
            generator: on the same device; the only source of randomness.

        Raises:
            ValueError: ``images`` has another shape.
        """
        if images.ndim != 4:
            raise ValueError(f"images are of shape {tuple(images.shape)}; (n, C, H, W) is needed")
        drawn = torch.rand((5, len(images)), generator=generator, dtype=torch.float32, device=images.device)
        area, ratio, across, down, flip = drawn
        area = self.area + (1 - self.area) * area
        ratio = ((2 * ratio - 1) * (-area.log()).clamp(max=math.log(self.ratio))).exp()
        width, height = (area * ratio).sqrt(), (area / ratio).sqrt()
        # Maps positions in the output to those in the image, both from -1 to 1.
        part = torch.zeros(len(images), 2, 3, dtype=torch.float32, device=images.device)
        part[:, 0, 0] = torch.where(flip < 0.5, width, -width)
        part[:, 0, 2] = (1 - width) * (2 * across - 1)
        part[:, 1, 1] = height
        part[:, 1, 2] = (1 - height) * (2 * down - 1)
        grid = F.affine_grid(part, list(images.shape), align_corners=False)
        # A part is never shrunk, so only the four nearest pixels count.
        crops = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
        return (crops if images.is_floating_point() else crops.round()).to(images.dtype)
