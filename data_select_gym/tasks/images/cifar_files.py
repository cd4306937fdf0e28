"""Readers of CIFAR-10's and CIFAR-100's files in their three usual layouts."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.arguments import check_path
from data_select_gym.task_registry import ORIGINS
from data_select_gym.tasks.images.array_pickles import read_arrays

# Images, uint8 (n, 3, 32, 32), and labels, int64 (n,).
Part: TypeAlias = tuple[Tensor, Tensor]
# The same of one file, as arrays.
Arrays: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64]]

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
BATCHES = range(1, 6)
# The most that a parquet file may claim to hold, decoded: so many times its size, plus so many bytes.
COMPRESSION, ROOM = 256, 1 << 26


@dataclass(frozen=True)
class Layout:
    """One layout of the data set in files.

    Attributes:
        name: for errors.
        folders: where to look for its files, within the data folder.
        train: names of the training files; a name with a star means one or more files.
        test: names of the test files.
        read: reads one file.
    """

    name: str
    folders: tuple[str, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]
    read: Callable[[Path, Cifar], Arrays]

    def describe(self) -> str:
        """The names to look for."""
        folders = " or ".join(f"{folder}/" for folder in self.folders if folder != ".")
        return f"{self.name}: {self.train[0]} and {self.test[0]} (here or in {folders})"


@dataclass(frozen=True)
class Cifar:
    """Describes the files of one of the two data sets.

    Attributes:
        name: of the data set.
        task: the name of its task.
        classes: the labels are 0 to ``classes - 1``.
        label: column with the labels in parquet files; with an s at its end, their key in the Python version.
        label_bytes: before the pixels of a binary record; the last one is the label.
        layouts: in search order.
    """

    name: str
    task: str
    classes: int
    label: str
    label_bytes: int
    layouts: tuple[Layout, ...]


def read_cifar(cifar: Cifar, data_dir: str | os.PathLike[str]) -> tuple[Part, Part]:
    """The training set and the test set.

    The last result is cached, and the next call returns the same tensors: never write to them.

    Args:
        cifar: which data set.
        data_dir: folder with the files as Hugging Face's parquet, or of the original binary or Python version.

    Raises:
        FileNotFoundError: there is no such folder, it has none of the layouts, or a file of its layout is missing.
        ValueError: a file is damaged, or does not hold 32x32 RGB images with labels of the data set.
        ImportError: the files are parquet and pyarrow is not installed.
    """
    folder = check_path("data_dir", data_dir).resolve()
    if not folder.is_dir():
        raise FileNotFoundError(f"data_dir={os.fspath(data_dir)!r} is not a folder. {ORIGINS[cifar.task]}")
    layout, train, test = _find_files(cifar, folder)
    return _read(cifar, layout, _stamp(train), _stamp(test))


def _find_files(cifar: Cifar, folder: Path) -> tuple[Layout, list[Path], list[Path]]:
    for layout in cifar.layouts:
        for place in layout.folders:
            train = {pattern: _match(folder / place, pattern) for pattern in layout.train}
            test = {pattern: _match(folder / place, pattern) for pattern in layout.test}
            found = [*chain(*train.values(), *test.values())]
            if not found:
                continue
            missing = [pattern for pattern, paths in (train | test).items() if not paths]
            if missing:
                raise FileNotFoundError(f"{found[0].parent} has {found[0].name} but not {', '.join(missing)}")
            return layout, [*chain(*train.values())], [*chain(*test.values())]
    looked_for = "; ".join(layout.describe() for layout in cifar.layouts)
    raise FileNotFoundError(
        f"data_dir={str(folder)!r} holds no {cifar.name} files; looked for {looked_for}. {ORIGINS[cifar.task]}"
    )


def _match(folder: Path, pattern: str) -> list[Path]:
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    for path in paths:
        shards = re.search(r"-of-(\d+)\.parquet$", path.name)
        if shards and int(shards[1]) != len(paths):
            raise FileNotFoundError(f"{folder} has {len(paths)} files {pattern}, not as many as {path.name} says")
    return paths


# Path, modification time and size of a file: a changed file is reread.
Stamp: TypeAlias = tuple[Path, int, int]


def _stamp(paths: list[Path]) -> tuple[Stamp, ...]:
    return tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)


@lru_cache(maxsize=1)
def _read(cifar: Cifar, layout: Layout, train: tuple[Stamp, ...], test: tuple[Stamp, ...]) -> tuple[Part, Part]:
    return _read_part(cifar, layout, train), _read_part(cifar, layout, test)


def _read_part(cifar: Cifar, layout: Layout, files: tuple[Stamp, ...]) -> Part:
    images, labels = zip(*(_read_file(cifar, layout, path) for path, _, _ in files), strict=True)
    return torch.from_numpy(np.concatenate(images)), torch.from_numpy(np.concatenate(labels))


def _read_file(cifar: Cifar, layout: Layout, path: Path) -> Arrays:
    images, labels = layout.read(path, cifar)
    if len(labels) == 0:
        raise ValueError(f"{path} holds no images")
    if labels.min() < 0 or labels.max() >= cifar.classes:
        wrong = labels[(labels < 0) | (labels >= cifar.classes)][0]
        raise ValueError(f"{path}: label {wrong} is not in 0 to {cifar.classes - 1}")
    return images, labels


def _read_parquet(path: Path, cifar: Cifar) -> Arrays:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError(f"reading {path} needs pyarrow: pip install 'data-select-gym[parquet]'") from error
    try:
        with pq.ParquetFile(path) as file:
            wrong = _wrong_columns(cifar.label, {column.name: column.type for column in file.schema_arrow})
            wrong = wrong or _wrong_size(path.stat().st_size, file.metadata)
            if wrong is None:
                table = file.read(columns=["img.bytes", cifar.label])
                table.validate(full=True)
    # For damaged files pyarrow raises errors of its own kinds and others.
    except Exception as error:
        raise ValueError(f"{path} is not a readable parquet file: {error}") from error
    if wrong is not None:
        raise ValueError(f"{path}{wrong}")
    labels = table.column(cifar.label)
    if labels.null_count:
        raise ValueError(f"{path}: column {cifar.label!r} has gaps; an integer in each row is needed")
    images = np.empty((table.num_rows, *SHAPE), dtype=np.uint8)
    for row, image in enumerate(table.column("img").to_pylist()):
        images[row] = _decode(image and image["bytes"], f"{path}, row {row}")
    return images, labels.to_numpy().astype(np.int64)


def _wrong_columns(label: str, types: dict[str, Any]) -> str | None:
    """The problem with the columns, if there is one."""
    import pyarrow.types as kinds

    for column in ("img", label):
        if column not in types:
            return f" has no column {column!r}; it has: {', '.join(types) or 'none'}"
    if not kinds.is_struct(types["img"]) or types["img"].get_field_index("bytes") < 0:
        return f": column 'img' is {types['img']}; a struct with the field 'bytes' is needed"
    if not kinds.is_integer(types[label]):
        return f": column {label!r} is {types[label]}; integers are needed"
    return None


def _wrong_size(size: int, metadata: Any) -> str | None:
    """The problem with a file of ``size`` bytes that claims to hold more than can be in it, if there is one."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    told = PIXELS * metadata.num_rows + sum(group.total_byte_size for group in groups)
    most = COMPRESSION * size + ROOM
    return None if told <= most else f" claims to hold {told} bytes; a file of {size} bytes has room for {most}"


def _decode(encoded: bytes | None, place: str) -> NDArray[np.uint8]:
    from PIL import Image

    if not encoded:
        raise ValueError(f"{place}: no image")
    try:
        with Image.open(io.BytesIO(encoded), formats=("PNG", "JPEG")) as image:
            pixels = np.asarray(image) if (image.mode, image.size) == ("RGB", (32, 32)) else None
            found = f"{image.mode} of {image.size[0]}x{image.size[1]}"
    # Pillow raises errors of many kinds for damaged files.
    except Exception as error:
        raise ValueError(f"{place}: the image cannot be decoded: {error}") from error
    if pixels is None:
        raise ValueError(f"{place}: the image is {found}; RGB of 32x32 is needed")
    return pixels.transpose(2, 0, 1)


def _read_binary(path: Path, cifar: Cifar) -> Arrays:
    content = np.fromfile(path, dtype=np.uint8)
    size = cifar.label_bytes + PIXELS
    if len(content) % size:
        raise ValueError(f"{path} is truncated: its {len(content)} bytes are not whole records of {size} bytes")
    records = content.reshape(-1, size)
    labels, images = records[:, cifar.label_bytes - 1], records[:, cifar.label_bytes :]
    return images.reshape(-1, *SHAPE), labels.astype(np.int64)


def _read_pickle(path: Path, cifar: Cifar) -> Arrays:
    key = f"{cifar.label}s".encode()
    try:
        batch = read_arrays(io.BytesIO(path.read_bytes()))
    # A damaged pickle can raise errors of any kind.
    except Exception as error:
        raise ValueError(f"{path} is not a pickle of {cifar.name}'s Python version: {error}") from error
    if not isinstance(batch, dict) or b"data" not in batch or key not in batch:
        raise ValueError(f"{path} does not hold a dict with b'data' and {key!r}")
    data, labels = batch[b"data"], batch[key]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != PIXELS:
        found = f"{data.dtype} of shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise ValueError(f"{path}: b'data' is {found}; uint8 of shape (n, {PIXELS}) is needed")
    if not isinstance(labels, list) or len(labels) != len(data):
        raise ValueError(f"{path}: {key!r} is not a list of {len(data)} labels, one for each row of b'data'")
    for label in labels:
        if type(label) is not int or not 0 <= label < cifar.classes:
            # Writing out deeply nested lists could take forever.
            shown = repr(label) if label is None or isinstance(label, int | str) else f"of type {type(label).__name__}"
            raise ValueError(f"{path}: label {shown} is not in 0 to {cifar.classes - 1}")
    return data.reshape(-1, *SHAPE), np.array(labels, dtype=np.int64)


CIFAR10 = Cifar(
    name="CIFAR-10",
    task="cifar10",
    classes=10,
    label="label",
    label_bytes=1,
    layouts=(
        Layout("parquet", (".", "plain_text", "data"), ("train-*.parquet",), ("test-*.parquet",), _read_parquet),
        Layout(
            "binary",
            (".", "cifar-10-batches-bin"),
            tuple(f"data_batch_{batch}.bin" for batch in BATCHES),
            ("test_batch.bin",),
            _read_binary,
        ),
        Layout(
            "python",
            (".", "cifar-10-batches-py"),
            tuple(f"data_batch_{batch}" for batch in BATCHES),
            ("test_batch",),
            _read_pickle,
        ),
    ),
)
# The twenty coarse labels are not read.
CIFAR100 = Cifar(
    name="CIFAR-100",
    task="cifar100",
    classes=100,
    label="fine_label",
    label_bytes=2,
    layouts=(
        Layout("parquet", (".", "cifar100", "data"), ("train-*.parquet",), ("test-*.parquet",), _read_parquet),
        Layout("binary", (".", "cifar-100-binary"), ("train.bin",), ("test.bin",), _read_binary),
        Layout("python", (".", "cifar-100-python"), ("train",), ("test",), _read_pickle),
    ),
)
