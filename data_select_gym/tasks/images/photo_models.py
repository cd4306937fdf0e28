"""Models for uint8 photographs of any size, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_select_gym.tasks.images.small_image_models import Normalize, Residual, SmallCNN, convolution, shortcut

# Of each channel of ImageNet's training images, on the scale from 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PATCH = 16


def image_model(name: str, classes: int, image_size: int) -> Callable[[], nn.Module]:
    """A function that makes a model with fresh weights, from uint8 images ``(n, 3, image_size, image_size)`` to logits.

    Args:
        name: ``"small-cnn"``, ``"resnet18"``, ``"resnet50"``, ``"vit"``, or ``"timm/NAME"`` or ``"torchvision/NAME"``
            for any classifier of these libraries.
        classes: number of logits.
        image_size: height and width of the images.

    Raises:
        ValueError: an unknown name, or a size that the model does not take.
        ImportError: the library is not installed.
    """
    library, slash, within = str(name).partition("/")
    if slash and library in LIBRARIES:
        return partial(_normalized, LIBRARIES[library](within, classes))
    if name == "vit" and image_size % PATCH:
        raise ValueError(f"image_size={image_size!r} is not a multiple of {PATCH}, the patches of model='vit'")
    own: dict[str, Callable[[], nn.Module]] = {
        "small-cnn": partial(SmallCNN, classes, IMAGENET_MEAN, IMAGENET_STD),
        "resnet18": partial(ResNet, Residual, (64, 128, 256, 512), (2, 2, 2, 2), classes),
        "resnet50": partial(ResNet, Bottleneck, (256, 512, 1024, 2048), (3, 4, 6, 3), classes),
        "vit": partial(VisionTransformer, classes, image_size),
    }
    if name not in own:
        raise ValueError(f"model={name!r} is not known; known are: {', '.join(own)}, timm/NAME, torchvision/NAME")
    return own[name]


class ResNet(nn.Module):
    """A residual network for ImageNet (He et al., arXiv 1512.03385): a 7x7 stem with stride and pooling, four stages.

    For a thousand classes, the one of 18 layers has 11.7 million weights and the one of 50 layers 25.6 million.
    """

    def __init__(
        self,
        block: Callable[[int, int, int], nn.Module],
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        classes: int,
    ) -> None:
        """Make the model with fresh weights.

        Args:
            block: makes a block of a stage, given its input and output channels and its stride.
            widths: output channels of each stage.
            depths: blocks of each stage.
            classes: number of logits.
        """
        super().__init__()
        self.stem = nn.Sequential(
            Normalize(IMAGENET_MEAN, IMAGENET_STD),
            *convolution(3, 64, 7, 2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, padding=1),
        )
        blocks, channels = [], 64
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for number in range(depth):
                blocks.append(block(channels, width, 2 if stage and not number else 1))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes)`` for images ``(n, 3, H, W)``."""
        return self.head(self.blocks(self.stem(images)).mean(dim=(2, 3)))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """Three convolutions, the middle one with a quarter of the channels, and a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        narrow = channels_out // 4
        self.path = nn.Sequential(
            *convolution(channels_in, narrow, 1, 1),
            nn.ReLU(inplace=True),
            *convolution(narrow, narrow, 3, stride),
            nn.ReLU(inplace=True),
            *convolution(narrow, channels_out, 1, 1),
        )
        self.shortcut = shortcut(channels_in, channels_out, stride)

    def forward(self, inputs: Tensor) -> Tensor:
        return F.relu(self.path(inputs) + self.shortcut(inputs))


class VisionTransformer(nn.Module):
    """A small vision transformer (Dosovitskiy et al., arXiv 2010.11929): patches of 16x16, width 384, 12 blocks.

    It has 6 heads and learned positions, and averages the patches before the last layer: 22 million weights.
    """

    def __init__(self, classes: int, image_size: int) -> None:
        """Make the model with fresh weights.

        Args:
            classes: number of logits.
            image_size: height and width of the images, a multiple of 16.
        """
        super().__init__()
        width = 384
        self.patches = nn.Sequential(
            Normalize(IMAGENET_MEAN, IMAGENET_STD), nn.Conv2d(3, width, PATCH, PATCH), nn.Flatten(2)
        )
        self.positions = nn.Parameter(torch.empty((image_size // PATCH) ** 2, width))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.blocks = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, 6, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
                )
                for _ in range(12)
            ),
            nn.LayerNorm(width),
        )
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes)`` for images ``(n, 3, image_size, image_size)``."""
        patches = self.patches(images).transpose(1, 2) + self.positions
        return self.head(self.blocks(patches).mean(dim=1))  # type: ignore[no-any-return]


def _normalized(make: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(Normalize(IMAGENET_MEAN, IMAGENET_STD), make())


def _timm(name: str, classes: int) -> Callable[[], Any]:
    try:
        import timm
    except ImportError as error:
        raise ImportError(f"model='timm/{name}' needs timm: pip install 'data-select-gym[timm]'") from error
    if not timm.is_model(name):
        raise ValueError(f"model='timm/{name}' is not known to timm {timm.__version__}")
    return partial(timm.create_model, name, num_classes=classes)


def _torchvision(name: str, classes: int) -> Callable[[], Any]:
    try:
        from torchvision import models
    except ImportError as error:
        raise ImportError(
            f"model='torchvision/{name}' needs torchvision: pip install 'data-select-gym[torchvision]'"
        ) from error
    known = models.list_models(module=models)
    if name not in known:
        raise ValueError(f"model='torchvision/{name}' is not known; known are: {', '.join(known)}")
    return partial(models.get_model, name, num_classes=classes)


LIBRARIES = {"timm": _timm, "torchvision": _torchvision}
