"""Small files of CIFAR-10 and CIFAR-100 in all their layouts, and what a harmful one would hold."""

import io
import os
import pickle
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

Pixels: TypeAlias = NDArray[np.uint8]
Writer: TypeAlias = Callable[[Path, Pixels, list[int]], None]


class Command:
    """Runs a command when it is unpickled, unless the unpickler refuses."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def draw(count: int, seed: int, classes: int = 10) -> tuple[Pixels, list[int]]:
    random = np.random.default_rng(seed)
    return random.integers(256, size=(count, 3, 32, 32), dtype=np.uint8), random.integers(classes, size=count).tolist()


def named(labels: list[int], hundred: bool) -> dict[str, list[int]]:
    """The labels by name; those of CIFAR-100 after coarse ones."""
    return {"coarse_label": [label % 20 for label in labels], "fine_label": labels} if hundred else {"label": labels}


def encode(pixels: Pixels, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(file, kind)
    return file.getvalue()


def write_rows(path: Path, images: list[bytes | None], **labels: list[Any]) -> None:
    rows = [{"bytes": image, "path": "a.png"} for image in images]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {name: some or pa.array([], pa.int64()) for name, some in labels.items()}
    pq.write_table(pa.table({"img": pa.array(rows, kind), **columns}), path)


def write_parquet(path: Path, images: Pixels, labels: list[int], hundred: bool = False) -> None:
    write_rows(path, [encode(image) for image in images], **named(labels, hundred))


def write_binary(path: Path, images: Pixels, labels: list[int], hundred: bool = False) -> None:
    numbers = zip(*named(labels, hundred).values(), strict=True)
    path.write_bytes(b"".join(bytes(some) + image.tobytes() for image, some in zip(images, numbers, strict=True)))


def write_python3(path: Path, images: Pixels, labels: list[int], hundred: bool = False, protocol: int = 4) -> None:
    lists = {f"{name}s".encode(): some for name, some in named(labels, hundred).items()}
    path.write_bytes(pickle.dumps({b"data": images.reshape(-1, 3072), **lists}, protocol))


def write_python2(path: Path, images: Pixels, labels: list[int], hundred: bool = False) -> None:
    """As Python 2 and its numpy wrote the original files."""
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"K" + bytes([len(images)]) + b"M" + struct.pack("<H", 3072) + b"\x86"
    data = array + b"(K\x01" + shape + kind + b"\x89T" + struct.pack("<i", images.size) + images.tobytes() + b"tb"
    lists = b"".join(
        b"U" + bytes([len(name) + 1]) + f"{name}s".encode() + b"](" + b"".join(b"K" + bytes([x]) for x in some) + b"e"
        for name, some in named(labels, hundred).items()
    )
    path.write_bytes(b"\x80\x02}(U\x04data" + data + lists + b"u.")


write_python3_old_protocol = partial(write_python3, protocol=2)
