"""Models for uint8 images of 32x32 pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Of each channel of the training images, on the scale from 0 to 1.
CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2470, 0.2435, 0.2616)
CIFAR100_MEAN = (0.5071, 0.4865, 0.4409)
CIFAR100_STD = (0.2673, 0.2564, 0.2762)


class Normalize(nn.Module):
    """Turns pixels from 0 to 255 into float32 with mean 0 and deviation 1 in each channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float] = CIFAR10_MEAN, std: Sequence[float] = CIFAR10_STD) -> None:
        """Make the layer.

        Args:
            mean: of each channel, on the scale from 0 to 1.
            std: of each channel, on the same scale.
        """
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1) * 255)

    def forward(self, images: Tensor) -> Tensor:
        """Float32 ``(n, C, H, W)`` for images of the same shape, channels last in memory."""
        # The convolutions that follow keep this layout: a step of the small network takes a third less time on CPUs.
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return (images - self.mean) / self.std


class SmallCNN(nn.Module):
    """Five convolutions of 24 to 128 channels and a linear head: 0.25 million weights, made for CPUs."""

    def __init__(
        self, classes: int = 10, mean: Sequence[float] = CIFAR10_MEAN, std: Sequence[float] = CIFAR10_STD
    ) -> None:
        """Make the model with fresh weights.

        Args:
            classes: number of logits.
            mean: see :class:`Normalize`.
            std: see :class:`Normalize`.
        """
        super().__init__()
        self.features = nn.Sequential(
            Normalize(mean, std),
            _unit(3, 24, nn.Identity()),
            # The gradient of an average is cheaper than that of a maximum, and this map is the largest.
            _unit(24, 48, nn.AvgPool2d(2)),
            _unit(48, 96, nn.MaxPool2d(2)),
            _unit(96, 96, nn.Identity()),
            _unit(96, 128, nn.MaxPool2d(2)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(128, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes)`` for images ``(n, 3, 32, 32)``."""
        return self.head(self.features(images))  # type: ignore[no-any-return]


def _unit(channels_in: int, channels_out: int, pool: nn.Module) -> nn.Sequential:
    # Pooling before normalisation leaves the later layers a quarter of the values.
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        pool,
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class ResNet18(nn.Module):
    """The residual network with 18 layers (He et al., arXiv 1512.03385), its stem a 3x3 convolution without pooling."""

    def __init__(
        self, classes: int = 10, mean: Sequence[float] = CIFAR10_MEAN, std: Sequence[float] = CIFAR10_STD
    ) -> None:
        """Make the model with fresh weights.

        Args:
            classes: number of logits.
            mean: see :class:`Normalize`.
            std: see :class:`Normalize`.
        """
        super().__init__()
        self.stem = nn.Sequential(Normalize(mean, std), *convolution(3, 64, 3, 1), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(
            Residual(64, 64, 1),
            Residual(64, 64, 1),
            Residual(64, 128, 2),
            Residual(128, 128, 1),
            Residual(128, 256, 2),
            Residual(256, 256, 1),
            Residual(256, 512, 2),
            Residual(512, 512, 1),
        )
        self.head = nn.Linear(512, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes)`` for images ``(n, 3, H, W)``."""
        return self.head(self.blocks(self.stem(images)).mean(dim=(2, 3)))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """Two convolutions and a shortcut, which is a 1x1 convolution if the shape changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            *convolution(channels_in, channels_out, 3, stride),
            nn.ReLU(inplace=True),
            *convolution(channels_out, channels_out, 3, 1),
        )
        self.shortcut = shortcut(channels_in, channels_out, stride)

    def forward(self, inputs: Tensor) -> Tensor:
        return F.relu(self.path(inputs) + self.shortcut(inputs))


def shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """Adds to a block's path its inputs, or a 1x1 convolution of them if the shape changes."""
    same = channels_in == channels_out and stride == 1
    return nn.Sequential(*([] if same else convolution(channels_in, channels_out, 1, stride)))


def convolution(channels_in: int, channels_out: int, size: int, stride: int) -> list[nn.Module]:
    """A convolution, padded to keep the size apart from the stride, and batch normalisation."""
    return [
        nn.Conv2d(channels_in, channels_out, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(channels_out),
    ]


MODELS: dict[str, Callable[..., nn.Module]] = {"small-cnn": SmallCNN, "resnet18": ResNet18}
