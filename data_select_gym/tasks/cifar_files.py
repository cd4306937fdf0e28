"""Readers of CIFAR-10's files in the three layouts that it is passed around in."""

from __future__ import annotations

import io
import os
import pickle
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

# Images, uint8 (n, 3, 32, 32), and labels, int64 (n,).
Part: TypeAlias = tuple[Tensor, Tensor]
# The same of one file, as arrays.
Arrays: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64]]

SHAPE = (3, 32, 32)
CLASSES = 10
PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS
BATCHES = range(1, 6)


@dataclass(frozen=True)
class Layout:
    """One way of laying the data set out in files.

    Attributes:
        folders: within the data folder, where its files are looked for.
        train: names of the training files; a name with a star means one file or more.
        test: names of the test files.
        read: reads one file.
    """

    folders: tuple[str, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]
    read: Callable[[Path], Arrays]

    def describe(self) -> str:
        """The names that are looked for."""
        folders = " or ".join(f"{folder}/" for folder in self.folders if folder != ".")
        return f"{self.train[0]} and {self.test[0]} (here or in {folders})"


def read_cifar10(data_dir: str | os.PathLike[str]) -> tuple[Part, Part]:
    """The training set and the test set.

    What was read last is kept for the next call, which returns the same tensors: never write to them.

    Args:
        data_dir: folder with the files as Hugging Face's parquet, or of the original binary or Python version.

    Raises:
        FileNotFoundError: there is no such folder, it has none of the layouts, or a file of its layout is missing.
        ValueError: a file is damaged, or does not hold 32x32 RGB images with labels 0 to 9.
        ImportError: the files are parquet and pyarrow is not installed.
    """
    folder = Path(data_dir).resolve()
    if not folder.is_dir():
        raise FileNotFoundError(f"data_dir={os.fspath(data_dir)!r} is not a folder")
    name, train, test = _find_files(folder)
    return _read(name, _stamp(train), _stamp(test))


def _find_files(folder: Path) -> tuple[str, list[Path], list[Path]]:
    for name, layout in LAYOUTS.items():
        for place in layout.folders:
            train = {pattern: _match(folder / place, pattern) for pattern in layout.train}
            test = {pattern: _match(folder / place, pattern) for pattern in layout.test}
            found = [*chain(*train.values(), *test.values())]
            if not found:
                continue
            missing = [pattern for pattern, paths in (train | test).items() if not paths]
            if missing:
                raise FileNotFoundError(f"{found[0].parent} has {found[0].name} but not {', '.join(missing)}")
            return name, [*chain(*train.values())], [*chain(*test.values())]
    looked_for = "; ".join(f"{name}: {layout.describe()}" for name, layout in LAYOUTS.items())
    raise FileNotFoundError(f"data_dir={str(folder)!r} holds no CIFAR-10 files; looked for {looked_for}")


def _match(folder: Path, pattern: str) -> list[Path]:
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    for path in paths:
        shards = re.search(r"-of-(\d+)\.parquet$", path.name)
        if shards and int(shards[1]) != len(paths):
            raise FileNotFoundError(f"{folder} has {len(paths)} files {pattern}, not as many as {path.name} says")
    return paths


# Path, time of change and size of a file: a changed file is read anew.
Stamp: TypeAlias = tuple[Path, int, int]


def _stamp(paths: list[Path]) -> tuple[Stamp, ...]:
    return tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)


@lru_cache(maxsize=1)
def _read(layout: str, train: tuple[Stamp, ...], test: tuple[Stamp, ...]) -> tuple[Part, Part]:
    return _read_part(LAYOUTS[layout], train), _read_part(LAYOUTS[layout], test)


def _read_part(layout: Layout, files: tuple[Stamp, ...]) -> Part:
    images, labels = zip(*(_read_file(layout, path) for path, _, _ in files), strict=True)
    return torch.from_numpy(np.concatenate(images)), torch.from_numpy(np.concatenate(labels))


def _read_file(layout: Layout, path: Path) -> Arrays:
    images, labels = layout.read(path)
    if len(labels) == 0:
        raise ValueError(f"{path} holds no images")
    if labels.min() < 0 or labels.max() >= CLASSES:
        wrong = labels[(labels < 0) | (labels >= CLASSES)][0]
        raise ValueError(f"{path}: label {wrong} is not in 0 to {CLASSES - 1}")
    return images, labels


def _read_parquet(path: Path) -> Arrays:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError(f"reading {path} needs pyarrow: pip install 'data-select-gym[parquet]'") from error
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, {column.name: column.type for column in file.schema_arrow})
            table = file.read(columns=["img.bytes", "label"])
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a readable parquet file: {error}") from error
    if table.column("label").null_count:
        raise ValueError(f"{path}: column 'label' has gaps; an integer in each row is needed")
    images = np.empty((table.num_rows, *SHAPE), dtype=np.uint8)
    for row, image in enumerate(table.column("img").to_pylist()):
        images[row] = _decode(image and image["bytes"], f"{path}, row {row}")
    return images, table.column("label").to_numpy().astype(np.int64)


def _check_columns(path: Path, types: dict[str, Any]) -> None:
    import pyarrow.types as kinds

    for column in ("img", "label"):
        if column not in types:
            raise ValueError(f"{path} has no column {column!r}; it has: {', '.join(types) or 'none'}")
    if not kinds.is_struct(types["img"]) or types["img"].get_field_index("bytes") < 0:
        raise ValueError(f"{path}: column 'img' is {types['img']}; a struct with the field 'bytes' is needed")
    if not kinds.is_integer(types["label"]):
        raise ValueError(f"{path}: column 'label' is {types['label']}; integers are needed")


def _decode(encoded: bytes | None, place: str) -> NDArray[np.uint8]:
    from PIL import Image

    if not encoded:
        raise ValueError(f"{place}: no image")
    try:
        with Image.open(io.BytesIO(encoded), formats=("PNG", "JPEG")) as image:
            pixels = np.asarray(image) if (image.mode, image.size) == ("RGB", (32, 32)) else None
            found = f"{image.mode} of {image.size[0]}x{image.size[1]}"
    # Pillow's readers raise errors of many kinds for damaged files.
    except Exception as error:
        raise ValueError(f"{place}: the image cannot be decoded: {error}") from error
    if pixels is None:
        raise ValueError(f"{place}: the image is {found}; RGB of 32x32 is needed")
    return pixels.transpose(2, 0, 1)


def _read_binary(path: Path) -> Arrays:
    content = np.fromfile(path, dtype=np.uint8)
    if len(content) % RECORD:
        raise ValueError(f"{path} is truncated: its {len(content)} bytes are not whole records of {RECORD} bytes")
    records = content.reshape(-1, RECORD)
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0].astype(np.int64)


def _read_pickle(path: Path) -> Arrays:
    content = io.BytesIO(path.read_bytes())
    try:
        batch = _ArrayUnpickler(content, encoding="bytes").load()
    # A damaged pickle can ask for anything, and so raise errors of any kind.
    except Exception as error:
        raise ValueError(f"{path} is not a pickle of CIFAR-10's Python version: {error}") from error
    if not isinstance(batch, dict) or b"data" not in batch or b"labels" not in batch:
        raise ValueError(f"{path} does not hold a dict with b'data' and b'labels'")
    data, labels = batch[b"data"], batch[b"labels"]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != PIXELS:
        found = f"{data.dtype} of shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise ValueError(f"{path}: b'data' is {found}; uint8 of shape (n, {PIXELS}) is needed")
    if not isinstance(labels, list) or len(labels) != len(data):
        raise ValueError(f"{path}: b'labels' is not a list of {len(data)} labels, one for each row of b'data'")
    wrong = [label for label in labels if type(label) is not int or not 0 <= label < CLASSES]
    if wrong:
        raise ValueError(f"{path}: label {wrong[0]!r} is not in 0 to {CLASSES - 1}")
    return data.reshape(-1, *SHAPE), np.array(labels, dtype=np.int64)


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that can build numpy arrays and nothing else, so that a file cannot run code."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core.", "numpy.core.")
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed")
        return ALLOWED[module, name]


def _encode(text: str, encoding: str) -> bytes:
    """The bytes that Python 3 wrote into a pickle of an old protocol: as text, always in latin1."""
    return text.encode("latin1")


# numpy's function for new arrays is private and has moved between modules; an array says which it is.
ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("_codecs", "encode"): _encode,
}

LAYOUTS = {
    "parquet": Layout((".", "plain_text", "data"), ("train-*.parquet",), ("test-*.parquet",), _read_parquet),
    "binary": Layout(
        (".", "cifar-10-batches-bin"),
        tuple(f"data_batch_{batch}.bin" for batch in BATCHES),
        ("test_batch.bin",),
        _read_binary,
    ),
    "python": Layout(
        (".", "cifar-10-batches-py"),
        tuple(f"data_batch_{batch}" for batch in BATCHES),
        ("test_batch",),
        _read_pickle,
    ),
}
