"""Finds images in class folders, each real folder once, whatever links lead to it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

# In upper or lower case.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")


def find_classes(place: Path) -> tuple[str, ...]:
    """Sorted names of the folders in a folder, without hidden ones."""
    with os.scandir(place) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")))


def find_images(place: Path, classes: Iterable[str]) -> dict[str, list[str]]:
    """Paths of the images of each class, relative to ``place`` and sorted.

    Links are followed, except to a folder that holds class folders, or that is part of another class anyway.

    Raises:
        ValueError: one folder belongs to two classes, or a class has no images; the message names them.
    """
    found: dict[str, list[str]] = {name: [] for name in classes}
    reached: dict[str, _Reached] = {}
    holders = _with_parents([place, *(place / name for name in found)])
    # Folders within the classes come first: they are theirs, whatever links lead there.
    waiting = deque((name, name) for name in found)
    while waiting:
        name, start = waiting.popleft()
        linked = start != name
        if linked and os.path.realpath(place / start) in holders:
            continue
        for folder, inner, files in os.walk(place / start):
            within = folder[len(str(place)) + 1 :]
            if not _is_new(place, _Reached(name, within, linked), reached):
                inner.clear()
            else:
                inner[:] = [each for each in inner if not each.startswith(".")]
                waiting.extend((name, f"{within}/{each}") for each in inner if os.path.islink(f"{folder}/{each}"))
                found[name] += [f"{within}/{file}" for file in files if _is_image(file)]
    for name, paths in found.items():
        if not paths:
            raise ValueError(f"{place / name} holds no images ({' '.join(EXTENSIONS)})")
    return {name: sorted(paths) for name, paths in found.items()}


class _Reached(NamedTuple):
    """How a folder was first reached.

    Attributes:
        name: of the class.
        within: path of the folder, relative to the folder of all classes.
        linked: whether a link within the class's folder leads to it.
    """

    name: str
    within: str
    linked: bool


def _is_new(place: Path, now: _Reached, reached: dict[str, _Reached]) -> bool:
    """Whether a folder is reached for the first time, which is then noted.

    Raises:
        ValueError: it also belongs to another class.
    """
    first = reached.setdefault(os.path.realpath(place / now.within), now)
    if first.name != now.name and first.linked == now.linked:
        raise ValueError(f"{place / first.within} and {place / now.within} are one folder; an image has one class")
    return first is now


def _is_image(file: str) -> bool:
    return file.lower().endswith(EXTENSIONS) and not file.startswith(".")


def _with_parents(folders: Iterable[Path]) -> set[str]:
    """The real paths of folders and all their parents."""
    real = [Path(os.path.realpath(folder)) for folder in folders]
    return {str(each) for folder in real for each in (folder, *folder.parents)}
