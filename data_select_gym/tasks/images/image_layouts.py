"""Readers of folders of images, laid out as ImageNet or as Tiny-ImageNet."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch

from data_select_gym.arguments import check_path
from data_select_gym.tasks.images.image_files import ImageFiles

# In any case.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")
ANNOTATIONS = "val_annotations.txt"


def read_image_folder(
    data_dir: str | os.PathLike[str], size: int
) -> tuple[ImageFiles, ImageFiles | None, tuple[str, ...]]:
    """The training set, the reported set, and the names of the classes in the order of their labels.

    The classes are the sorted names of the folders in ``train``. An image of a class is a file with one of
    ``EXTENSIONS`` anywhere within the class's folder. In ``val`` there are such folders too, or the file
    ``val_annotations.txt``, whose tab-separated lines name a file in ``val/images`` and its class. Hidden files and
    folders, whose names begin with a dot, are not looked at. No image is opened.

    Args:
        data_dir: folder with ``train`` and perhaps ``val``; without ``val``, or if that has neither class folders nor
            annotations, there is no reported set, in the latter case with a warning.
        size: of a decoded image, in pixels.

    Raises:
        FileNotFoundError: there is no such folder, it has no ``train``, or a file that is annotated is missing.
        ValueError: ``train`` has fewer than two classes, a class has no images, ``val`` has a class that ``train`` has
            not, or a line of the annotations is not a file and a class.
    """
    folder = check_path("data_dir", data_dir).resolve()
    train, val = folder / "train", folder / "val"
    if not folder.is_dir():
        raise FileNotFoundError(f"data_dir={os.fspath(data_dir)!r} is not a folder")
    if not train.is_dir():
        raise FileNotFoundError(f"{train} is not a folder; training images are looked for in {train}/CLASS/")
    classes = _folders(train)
    if len(classes) < 2:
        raise ValueError(f"{train} has {len(classes)} class folders; at least two are needed")
    return _read_classes(train, classes, classes, size), _read_val(val, classes, size), classes


def _read_val(val: Path, classes: tuple[str, ...], size: int) -> ImageFiles | None:
    if (val / ANNOTATIONS).is_file():
        return _read_annotated(val, classes, size)
    present = _folders(val) if val.is_dir() else ()
    for name in present:
        if name not in classes:
            raise ValueError(f"{val / name}: there is no class {name!r} in {val.with_name('train')}")
    if present:
        return _read_classes(val, present, classes, size)
    if val.is_dir():
        warnings.warn(
            f"{val} has no class folders and no {ANNOTATIONS}, so it is not used; what is split off train is reported",
            stacklevel=2,
        )
    return None


def _folders(place: Path) -> tuple[str, ...]:
    with os.scandir(place) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")))


def _read_classes(place: Path, present: tuple[str, ...], classes: tuple[str, ...], size: int) -> ImageFiles:
    """The images of the classes that are ``present`` in a folder, class by class."""
    names, counts = bytearray(), []
    for name in present:
        paths = _find_images(place, name)
        if not paths:
            raise ValueError(f"{place / name} holds no images ({' '.join(EXTENSIONS)})")
        names += _joined(paths)
        counts.append(len(paths))
    labels = torch.tensor([classes.index(name) for name in present])
    return ImageFiles.of(str(place), size, bytes(names), labels.repeat_interleave(torch.tensor(counts)))


def _find_images(place: Path, name: str) -> list[str]:
    """Paths of a class's images, relative to ``place`` and sorted."""
    found = []
    for folder, inner, files in os.walk(place / name, followlinks=True):
        inner[:] = [each for each in inner if not each.startswith(".")]
        within = folder[len(str(place)) + 1 :]
        found += [
            f"{within}/{file}" for file in files if file.lower().endswith(EXTENSIONS) and not file.startswith(".")
        ]
    return sorted(found)


def _read_annotated(val: Path, classes: tuple[str, ...], size: int) -> ImageFiles:
    annotations = val / ANNOTATIONS
    present = set(os.listdir(val / "images")) if (val / "images").is_dir() else set()
    numbers = {name: number for number, name in enumerate(classes)}
    paths, labels = [], []
    try:
        written = annotations.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{annotations} is not text in UTF-8: {error}") from error
    for line, text in enumerate(written.splitlines(), start=1):
        fields = text.split("\t")
        if len(fields) < 2:
            raise ValueError(f"{annotations}, line {line}: {text!r} is not a file and its class, with a tab between")
        if fields[1] not in numbers:
            raise ValueError(f"{annotations}, line {line}: there is no class {fields[1]!r} in {val.with_name('train')}")
        if fields[0] not in present:
            raise FileNotFoundError(
                f"{val / 'images' / fields[0]} is missing, and line {line} of {annotations} names it"
            )
        paths.append(f"images/{fields[0]}")
        labels.append(numbers[fields[1]])
    if not paths:
        raise ValueError(f"{annotations} names no images")
    return ImageFiles.of(str(val), size, _joined(paths), torch.tensor(labels))


def _joined(paths: list[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)
