"""Images in files, each opened only when its sample is requested."""

from __future__ import annotations

import os
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from data_select_gym.tasks.protocol import Stored

# Formats that Pillow reads itself; it would hand some others to external programs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "TIFF")
# Pillow warns above this; so many take 0.9 GB while they are scaled down.
MOST_PIXELS = 89_478_485
# Only in these formats do images of mode I have 16 bits.
SIXTEEN_BITS = ("PNG", "PPM")
# Tags of TIFF files about their pixels.
BITS, PHOTOMETRIC, KIND = 258, 262, 339
UNSIGNED, WHITE_IS_ZERO = 1, 0


class ImageFiles(Dataset[tuple[Tensor, int]], Stored):
    """Labelled image files, as squares of one size.

    All paths are in one byte string, so a sample takes 17 bytes plus its path within ``root``, without a Python object.
    Parts made by :meth:`rows` share that string.

    Attributes:
        root: the folder that the paths are relative to.
        size: of a decoded image, in pixels.
        names: the paths, each followed by a zero byte.
        starts: int64 ``(n,)``, where each sample's path begins in ``names``.
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
        """All files whose paths are in ``names``, in order."""
        ends = np.flatnonzero(np.frombuffer(names, dtype=np.uint8) == 0)
        return cls(root, size, names, torch.from_numpy(np.append(0, ends[:-1] + 1)), targets)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Image, uint8 ``(3, size, size)``, and label.

        Raises:
            ValueError: the file is damaged or not an image; the message names it.
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
    """The image in a file, as :func:`square_of` returns it.

    Raises:
        ValueError: the file is damaged, not an image or too large; the message names it.
        OSError: the file cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            with open_image(file) as image:
                return square_of(image, size)
        # Pillow raises errors of many kinds for damaged files.
        except Exception as error:
            raise ValueError(f"{path}: the image cannot be decoded: {error}") from error


def open_image(file: str | IO[bytes]) -> Image.Image:
    """An image in one of ``FORMATS``, of which only the header has been read.

    Raises:
        ValueError: it has more than ``MOST_PIXELS``.
        Exception: of any other kind: it is not an image.
    """
    image = Image.open(file, formats=FORMATS)
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise ValueError(f"it has {image.width}x{image.height} pixels; {MOST_PIXELS} are allowed")
    return image


def square_of(image: Image.Image, size: int) -> Tensor:
    """The largest square in the middle of an image, as RGB in ``size`` pixels: uint8 ``(3, size, size)``.

    The orientation is that of the stored pixels; a camera's metadata is ignored. Transparency is dropped. Grey of up to
    16 bits is scaled from the range of its bits to 0 to 255, and floating-point grey from 0 to 1.

    Raises:
        ValueError: the pixels are signed integers or integers of more than 16 bits, or floating-point numbers outside 0
            to 1.
    """
    # A large JPEG is decoded at an eighth, a quarter or half of its size, if that is still at least ``size``.
    image.draft("RGB", (size, size))
    white = _white(image)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    pixels = (_rgb(image) if white is None else image.convert("F")).resize(
        (size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side), reducing_gap=2.0
    )
    if white is None:
        return torch.from_numpy(np.asarray(pixels).transpose(2, 0, 1).copy())
    return torch.from_numpy(_bytes(np.asarray(pixels), white, image)).repeat(3, 1, 1)


def _rgb(image: Image.Image) -> Image.Image:
    # Pillow warns if transparent palette entries go to RGB directly.
    return (image.convert("RGBA") if "transparency" in image.info else image).convert("RGB")


def _white(image: Image.Image) -> int | None:
    """The value of white in an image of more than 8 bits a pixel, which Pillow would clip at 255; otherwise None.

    Raises:
        ValueError: the value is unknown, or a pixel exceeds it.
    """
    if image.mode == "F":
        low, high = _extremes(image)
        if not 0 <= low <= high <= 1:
            raise ValueError(f"mode F with numbers from {low:.9g} to {high:.9g}; floating point is read from 0 to 1")
        return 1
    if image.mode.split(";")[0] != "I":
        return None
    tags = getattr(image, "tag_v2", {})
    (bits, *_), (kind, *_) = tags.get(BITS, (16,)), tags.get(KIND, (UNSIGNED,))
    if kind != UNSIGNED or bits > 16 or (image.mode == "I" and image.format not in SIXTEEN_BITS):
        low, high = _extremes(image)
        raise ValueError(
            f"mode {image.mode} with integers from {low:.0f} to {high:.0f}, of which nothing says what is white; "
            "integers without a sign of at most 16 bits are read, and floating point from 0 to 1"
        )
    return int(2**bits - 1)


def _extremes(image: Image.Image) -> tuple[float, float]:
    low, high = np.asarray(image.getextrema(), dtype=np.float64)
    return float(low), float(high)


def _bytes(levels: NDArray[np.float32], white: int, image: Image.Image) -> NDArray[np.uint8]:
    """Grey levels from 0 to ``white`` as bytes."""
    if not np.isfinite(levels).all():
        raise ValueError(f"mode {image.mode} with numbers that are not finite; floating point is read from 0 to 1")
    shares = levels / white
    if getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO:
        shares = 1 - shares
    return (shares * 255).round().clip(0, 255).astype(np.uint8)
