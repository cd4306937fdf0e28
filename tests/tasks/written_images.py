"""Small folders of images in the layouts of ImageNet and Tiny-ImageNet."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("n01440764", "n01443537", "n01484850")


def draw(label: int, seed: int, size: tuple[int, int] = (24, 20)) -> Image.Image:
    """Noise about the colour of a class."""
    random = np.random.default_rng(seed)
    colour = np.eye(3)[label % 3] * 160 + 40
    pixels: NDArray[np.uint8] = (colour + random.uniform(-40, 40, (size[1], size[0], 3))).astype(np.uint8)
    return Image.fromarray(pixels)


def write_imagenet(folder: Path, each: int = 8, val: int = 4) -> Path:
    """A class a folder; ``each`` images of a class in ``train`` and ``val`` in ``val``, which may be 0."""
    for part, count in (("train", each), ("val", val)):
        for label, name in enumerate(CLASSES):
            for number in range(count):
                path = folder / part / name / f"{name}_{number}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                draw(label, 100 * label + number).save(path)
    return folder


def write_tiny_imagenet(folder: Path, each: int = 8, val: int = 6) -> Path:
    """As ``write_imagenet``, with a folder ``images`` in each, and the labels of ``val`` in a file."""
    lines = []
    for label, name in enumerate(CLASSES):
        images = folder / "train" / name / "images"
        images.mkdir(parents=True)
        (images.parent / f"{name}_boxes.txt").write_text("")
        for number in range(each):
            draw(label, 100 * label + number).save(images / f"{name}_{number}.JPEG")
    (folder / "val" / "images").mkdir(parents=True)
    for number in range(val):
        draw(number, number).save(folder / "val" / "images" / f"val_{number}.JPEG")
        lines.append(f"val_{number}.JPEG\t{CLASSES[number % 3]}\t0\t32\t44\t62\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    return folder
