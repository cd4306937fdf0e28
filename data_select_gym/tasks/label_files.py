"""Replaces a training set's labels by those of a file, such as CIFAR-10N's, which people gave."""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.arguments import check_path
from data_select_gym.tasks.data import length
from data_select_gym.tasks.images.array_pickles import read_arrays
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.noise import check_can_be_noisy, relabelled
from data_select_gym.tasks.task import Task
from data_select_gym.tensor_files import load_tensors

INTEGERS = "bhilqBHILQ"
OLD_MAGIC = 0x1950A86A20F9469CFC6C
ALLOWED = "read are .npy, .npz, .pt and .pth, and by any other name text with a label a line"
# The most that a .npz file may claim to hold, unpacked: so many times its size, plus so many bytes.
COMPRESSION, ROOM = 256, 1 << 24


def take_labels(
    task: Task, *, label_noise_file: str | os.PathLike[str] | None = None, label_noise_key: str | None = None
) -> Task:
    """The same task with the labels of a file for its training set; the task itself if no file is named.

    Only the training set gets them. A validation set that was split off keeps its labels, and the file has a label for
    each sample of both, in the original order.

    Args:
        task: a classification task.
        label_noise_file: path of the file: ``.npy``, ``.npz``, a ``.pt`` or ``.pth`` of an array or of a dict of
            arrays, or, with any other name, text with one label a line. Only arrays are read from it.
        label_noise_key: which entry of the dict, or which array of the ``.npz``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file has another form, another number of labels, a label above the largest of training and
            validation set, or no such entry; or the task has label noise already.
        TypeError: it is not a classification task.
    """
    if label_noise_file is None:
        if label_noise_key is not None:
            raise ValueError(f"label_noise_key={label_noise_key!r} names an entry of label_noise_file; give that too")
        return task
    path = check_path("label_noise_file", label_noise_file)
    given = f"label_noise_file={os.fspath(label_noise_file)!r}"
    check_can_be_noisy(task, given)
    labels = read_labels(path, given, label_noise_key)
    true = labels_of(task.train, task.loading)
    size = len(true) if task.train_rows is None else len(true) + length(task.validation)
    if len(labels) != size:
        split = "" if task.train_rows is None else f", {len(true)} and the {size - len(true)} split off for validation"
        raise ValueError(f"{given} has {len(labels)} labels; the training set has {size} samples{split}")
    largest = max(int(true.max()), int(labels_of(task.validation, task.loading).max()))
    outside = (labels < 0) | (labels > largest)
    if outside.any():
        place = int(outside.nonzero()[0])
        raise ValueError(f"{given}: label {place} is {int(labels[place])}; labels go from 0 to {largest}")
    own = labels if task.train_rows is None else labels[task.train_rows]
    return replace(task, train=relabelled(task.train, own, task.loading), true_labels=true)


def read_labels(path: Path, given: str, key: str | None = None) -> Tensor:
    """The labels of a file, int64 ``(n,)``.

    Args:
        path: of the file.
        given: its name in errors.
        key: which entry of a dict of arrays.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has another form, or no such entry.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{given}: there is no such file")
    readers = {".npy": _read_npy, ".npz": _read_npz, ".pt": _read_pt, ".pth": _read_pt}
    read = readers.get(path.suffix.lower(), _read_text)
    found = read(path, given)
    if isinstance(found, Mapping):
        if key not in found:
            raise ValueError(f"label_noise_key={key!r} is not in {given}; it has: {', '.join(map(str, found))}")
        found = found[key]
    elif key is not None:
        raise ValueError(f"label_noise_key={key!r}: {given} has no entries with names")
    labels = _as_array(found, given)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) == 0:
        raise ValueError(
            f"{given} holds {labels.dtype} of shape {labels.shape}; whole numbers of shape (n,) are needed"
        )
    # A tensor in a small file can claim to repeat one number any number of times.
    if isinstance(found, Tensor) and len(labels) > path.stat().st_size:
        raise ValueError(f"{given} claims to hold {len(labels)} labels; it has {path.stat().st_size} bytes")
    return torch.from_numpy(labels.astype(np.int64))


def _as_array(found: Any, given: str) -> NDArray[Any]:
    try:
        return np.asarray(found)
    except Exception as error:  # whatever the file holds instead of an array
        kind = type(found).__name__
        raise ValueError(f"{given} holds a {kind}; whole numbers of shape (n,) are needed: {error}") from error


def _read_npy(path: Path, given: str) -> NDArray[Any]:
    try:
        # A mapped array takes no memory for numbers that the file claims and lacks.
        labels: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever a damaged file leads to
        raise ValueError(f"{given} is not an array of numbers in NumPy's format: {error}") from error
    return labels


def _read_npz(path: Path, given: str) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            told = sum(part.file_size for part in parts)
            if told > COMPRESSION * path.stat().st_size + ROOM:
                raise ValueError(f"it claims to hold {told} bytes and has room for fewer")
            return {part.filename.removesuffix(".npy"): _unpacked(archive.read(part)) for part in parts}
    except Exception as error:  # whatever a damaged file leads to
        raise ValueError(f"{given} is not a file of arrays of numbers in NumPy's format: {error}") from error


def _unpacked(content: bytes) -> NDArray[Any]:
    """The array in the content of an ``.npy`` file, without memory beyond that content."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    old, new = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
    shape, by_columns, kind = (old if version == (1, 0) else new)(file)  # type: ignore[no-untyped-call]
    if min(shape, default=0) < 0:
        raise ValueError(f"it has an array of shape {shape}")
    found = np.frombuffer(content, kind, math.prod(shape), file.tell())
    return found.reshape(shape, order="F" if by_columns else "C")


def _read_pt(path: Path, given: str) -> Any:
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
        return load_tensors(path, array_constructors()) if zipped else _read_old_pt(path)
    except Exception as error:  # whatever a damaged file leads to
        raise ValueError(f"{given} is damaged, or asks for more than arrays of numbers, which is refused") from error


def _read_old_pt(path: Path) -> Any:
    """Arrays from torch's format before version 1.6: four pickles, of which the last is the saved object."""
    file = io.BytesIO(path.read_bytes())
    if read_arrays(file) != OLD_MAGIC:
        raise ValueError("it does not begin as torch's files do")
    for _ in range(2):
        read_arrays(file)
    return read_arrays(file)


def array_constructors() -> list[Any]:
    """What unpickling an array of whole numbers calls, under its names in NumPy 1 and 2."""
    rebuild = np.ndarray(0).__reduce__()[0]
    names = [f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")]
    return [np.ndarray, np.dtype, *(type(np.dtype(kind)) for kind in INTEGERS), *((rebuild, name) for name in names)]


def _read_text(path: Path, given: str) -> list[int]:
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{given} is not text in UTF-8 ({error}); {ALLOWED}") from error
    labels = []
    for number, line in enumerate(lines, start=1):
        try:
            labels.append(int(line))
        except ValueError:
            raise ValueError(f"{given}, line {number}: {line!r} is not a whole number; {ALLOWED}") from None
    return labels
