"""Reads files of ``torch.save`` that may be damaged or untrusted, without running their code or wasting memory."""

from __future__ import annotations

import copy
import pickletools
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

LONGEST_NAME = 200


def load_tensors(path: Path, constructors: Sequence[Any] = ()) -> Any:
    """Load tensors, numbers, texts, and lists and dicts of these. It takes as much memory as the file.

    Args:
        path: of the file, in the format that ``torch.save`` has written since torch 1.6.
        constructors: of other allowed values, as :func:`torch.serialization.safe_globals` takes them.

    Raises:
        ValueError: the file is damaged.
        Exception: of any other kind: it is damaged in another way, or asks for something that is not allowed.
    """
    check_whole(path)
    with torch.serialization.safe_globals(list(constructors)):
        # If a file claims a larger tensor than it holds, only a mapped file is not read beyond its end.
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    # A tensor that kept using the map would fail if the file were truncated later.
    return copy.deepcopy(found)


def check_whole(path: Path) -> None:
    """Check each part of a file against its stored checksum, which torch ignores.

    Raises:
        ValueError: a checksum is wrong; the parts are compressed, overlap or follow something else, so that torch
            would read them from other places; or something in them has an endless name.
        Exception: of any other kind: it is not a zip file.
    """
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if not parts or min(part.header_offset for part in parts) > 0:
            raise ValueError("it begins with something else than its first part")
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise ValueError("its parts are packed, as torch.save does not")
        if sum(part.file_size for part in parts) > path.stat().st_size:
            raise ValueError("its parts are larger than the file")
        damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"its part {damaged} is damaged")
        for part in parts:
            if part.filename.endswith("data.pkl"):
                _check_names(archive.read(part))


def _check_names(content: bytes) -> None:
    """Check that no name in a pickle is so long that torch would take hours to write its error message."""
    for instruction, given, _ in pickletools.genops(content):
        if instruction.name == "GLOBAL" and given is not None and len(given) > LONGEST_NAME:
            raise ValueError(f"it asks for {given[:LONGEST_NAME]}...")
