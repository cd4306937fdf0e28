"""Images in files, each opened when its sample is asked for and not before."""

from __future__ import annotations

import os
from typing import IO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

# Those whose readers are libraries for images; Pillow would also hand some files to other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "TIFF")
# From so many on Pillow warns; they take 0.9 GB while they are made smaller.
MOST_PIXELS = 89_478_485


class ImageFiles(Dataset[tuple[Tensor, int]]):
    """Labelled image files, as squares of one size.

    All paths lie in one string of bytes, so a sample takes 17 bytes and those of its path within ``root``: no Python
    object is kept for it. The parts of a data set that :meth:`rows` makes share that string.

    Attributes:
        root: the folder that the paths are relative to.
        size: of a decoded image, in pixels.
        names: the paths, each ended by a zero byte.
        starts: int64 ``(n,)``, where the path of each sample begins in ``names``.
        targets: int64 ``(n,)``, the labels.
    """

    def __init__(self, root: str, size: int, names: bytes, starts: Tensor, targets: Tensor) -> None:
        self.root = root
        self.size = size
        self.names = names
        self.starts = starts
        self.targets = targets

    @classmethod
    def of(cls, root: str, size: int, names: bytes, targets: Tensor) -> ImageFiles:
        """All files whose paths are in ``names``, in their order; see the attributes."""
        ends = np.flatnonzero(np.frombuffer(names, dtype=np.uint8) == 0)
        return cls(root, size, names, torch.from_numpy(np.append(0, ends[:-1] + 1)), targets)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Image, uint8 ``(3, size, size)``, and label.

        Raises:
            ValueError: the file is damaged or no image; the message names it.
            OSError: the file cannot be opened.
        """
        return read_image(self.path(index), self.size), int(self.targets[index])

    def path(self, index: int) -> str:
        """Path of a sample's file."""
        start = int(self.starts[index])
        return os.path.join(self.root, os.fsdecode(self.names[start : self.names.index(b"\0", start)]))

    def rows(self, indices: Tensor) -> ImageFiles:
        """The samples ``indices``, int64 ``(k,)`` on the host."""
        return ImageFiles(self.root, self.size, self.names, self.starts[indices], self.targets[indices])

    def relabelled(self, targets: Tensor) -> ImageFiles:
        """The same files with other labels, int64 ``(n,)``."""
        return ImageFiles(self.root, self.size, self.names, self.starts, targets)


def read_image(path: str, size: int) -> Tensor:
    """The image in a file, as :func:`square_of` makes it.

    Raises:
        ValueError: the file is damaged, no image or too large; the message names it.
        OSError: the file cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            with open_image(file) as image:
                return square_of(image, size)
        # Pillow's readers raise errors of many kinds for damaged files.
        except Exception as error:
            raise ValueError(f"{path}: the image cannot be decoded: {error}") from error


def open_image(file: str | IO[bytes]) -> Image.Image:
    """An image of one of ``FORMATS``, of which no more than its size has been read yet.

    Raises:
        ValueError: it has more than ``MOST_PIXELS``.
        Exception: of any other kind: it is no image.
    """
    image = Image.open(file, formats=FORMATS)
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise ValueError(f"it has {image.width}x{image.height} pixels; {MOST_PIXELS} are allowed")
    return image


def square_of(image: Image.Image, size: int) -> Tensor:
    """The largest square in the middle of an image, as RGB in ``size`` pixels: uint8 ``(3, size, size)``.

    Its orientation is that of the stored pixels, whatever the file says of the camera.
    """
    # A large JPEG is decoded at an eighth, a quarter or half of its size, as long as that is no less than asked for.
    image.draft("RGB", (size, size))
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    pixels = _rgb(image).resize(
        (size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side), reducing_gap=2.0
    )
    return torch.from_numpy(np.asarray(pixels).transpose(2, 0, 1).copy())


def _rgb(image: Image.Image) -> Image.Image:
    # Pillow warns where transparent entries of a palette go to RGB directly.
    return (image.convert("RGBA") if "transparency" in image.info else image).convert("RGB")
