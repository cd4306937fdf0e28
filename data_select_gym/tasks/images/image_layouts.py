"""Readers of image folders laid out as ImageNet or Tiny-ImageNet."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import NamedTuple

import torch

from data_select_gym.arguments import check_path
from data_select_gym.tasks.images.class_folders import find_classes, find_images
from data_select_gym.tasks.images.image_files import ImageFiles
from data_select_gym.tasks.text.text_files import SPLIT_NAMES, SPLITS
from data_select_gym.tasks.unread_warnings import warn_unread_splits

ANNOTATIONS = "val_annotations.txt"


class ImageSets(NamedTuple):
    """The sets of an image folder, None if missing, and the names of the classes in order."""

    train: ImageFiles
    validation: ImageFiles | None
    test: ImageFiles | None
    classes: tuple[str, ...]


def read_image_folder(data_dir: str | os.PathLike[str], size: int) -> ImageSets:
    """The sets of a folder.

    The classes are the sorted names of the folders in ``train``. An image of a class is a file with one of
    ``EXTENSIONS`` anywhere within the class's folder, each real folder once, see
    :func:`~data_select_gym.tasks.images.class_folders.find_images`. ``val`` and ``test`` have such folders too, or
    ``val`` has the file ``val_annotations.txt``, whose tab-separated lines name a file in ``val/images`` and its class.
    Hidden files and folders, whose names begin with a dot, are ignored. No image is opened.

    A warning names a ``val`` or a ``test`` without labels, which is not used, and a folder that looks like a set under
    another name.

    Args:
        data_dir: folder with ``train`` and optionally ``val`` (or ``validation``, ``valid`` or ``dev``) and ``test``.
        size: of a decoded image, in pixels.

    Raises:
        FileNotFoundError: there is no such folder, it has no ``train``, or an annotated file is missing.
        ValueError: ``train`` has fewer than two classes, a class has no images or shares a folder with another, ``val``
            or ``test`` has a class that ``train`` lacks, there are two folders for validation, or a line of the
            annotations is not a file and a class.
    """
    folder = check_path("data_dir", data_dir).resolve()
    if not folder.is_dir():
        raise FileNotFoundError(f"data_dir={os.fspath(data_dir)!r} is not a folder")
    train, places = folder / "train", _find_sets(folder)
    if "train" not in places:
        raise FileNotFoundError(f"{train} is not a folder; training images are looked for in {train}/CLASS/")
    classes = find_classes(train)
    if len(classes) < 2:
        raise ValueError(f"{train} has {len(classes)} class folders; at least two are needed")
    test = places.get("test")
    return ImageSets(
        _read_classes(train, classes, classes, size),
        _read_validation(places["validation"], train, classes, size) if "validation" in places else None,
        None if test is None else _read_test(test, train, classes, size),
        classes,
    )


def _find_sets(folder: Path) -> dict[str, Path]:
    """The folders of the available sets, by the names ``"train"``, ``"validation"`` and ``"test"``."""
    found = {}
    for split, names in SPLITS.items():
        there = [folder / name for name in names if (folder / name).is_dir()]
        if len(there) > 1:
            raise ValueError(f"{folder} has {' and '.join(each.name for each in there)}; one of them is needed")
        if there:
            found[split] = there[0]
    others = set(find_classes(folder)) - {path.name for path in found.values()}
    warn_unread_splits(str(folder), others, found, f"folders that are read are named {SPLIT_NAMES}")
    return found


def _read_validation(val: Path, train: Path, classes: tuple[str, ...], size: int) -> ImageFiles | None:
    if (val / ANNOTATIONS).is_file():
        return _read_annotated(val, classes, size)
    present = find_classes(val)
    if not present:
        warnings.warn(
            f"{val} has no class folders and no {ANNOTATIONS}, so it is not used; what is split off train replaces it",
            stacklevel=3,
        )
        return None
    return _read_known(val, present, train, classes, size)


def _read_test(test: Path, train: Path, classes: tuple[str, ...], size: int) -> ImageFiles | None:
    present = find_classes(test)
    # Tiny-ImageNet's has a folder of images without labels.
    if not set(present) & set(classes):
        warnings.warn(f"{test} has no folder of a class in {train}, so it is not used", stacklevel=3)
        return None
    return _read_known(test, present, train, classes, size)


def _read_known(place: Path, present: tuple[str, ...], train: Path, classes: tuple[str, ...], size: int) -> ImageFiles:
    for name in present:
        if name not in classes:
            raise ValueError(f"{place / name}: there is no class {name!r} in {train}")
    return _read_classes(place, present, classes, size)


def _read_classes(place: Path, present: tuple[str, ...], classes: tuple[str, ...], size: int) -> ImageFiles:
    """The images of the classes that are ``present`` in a folder, class by class."""
    found = find_images(place, present)
    names = b"".join(_joined(paths) for paths in found.values())
    labels = torch.tensor([classes.index(name) for name in found])
    counts = torch.tensor([len(paths) for paths in found.values()])
    return ImageFiles.of(str(place), size, names, labels.repeat_interleave(counts))


def _read_annotated(val: Path, classes: tuple[str, ...], size: int) -> ImageFiles:
    annotations = val / ANNOTATIONS
    present = set(os.listdir(val / "images")) if (val / "images").is_dir() else set()
    numbers = {name: number for number, name in enumerate(classes)}
    paths, labels = [], []
    try:
        written = annotations.read_text(encoding="utf-8-sig")
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
