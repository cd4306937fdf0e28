"""Damaged files of CIFAR."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_select_gym.tasks.images.cifar_files import CIFAR10, CIFAR100, read_cifar

from ..tasks.written_cifar import (
    draw,
    encode,
    write_binary,
    write_parquet,
    write_python2,
    write_python3,
    write_python3_old_protocol,
)
from .damage import damaged, memory_below, read_all

LAYOUTS = {
    "parquet": (CIFAR10, write_parquet, "train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
    "binary": (CIFAR100, write_binary, "train.bin", "test.bin"),
    "python 2": (CIFAR100, write_python2, "train", "test"),
    "python 3": (CIFAR100, write_python3, "train", "test"),
    "python 3, old protocol": (CIFAR100, write_python3_old_protocol, "train", "test"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_damaged_file_is_an_error_that_names_it_or_is_read(layout: str, tmp_path: Path, numbers: range) -> None:
    cifar, write, train, test = LAYOUTS[layout]
    hundred = {"hundred": True} if cifar is CIFAR100 else {}
    for name in (train, test):
        write(tmp_path / name, *draw(2, 0), **hundred)  # type: ignore[operator]
    contents = damaged((tmp_path / train).read_bytes(), numbers)
    with memory_below(300):
        found = read_all(tmp_path / train, contents, lambda: read_cifar(cifar, tmp_path))
    for (images, labels), _ in found:
        assert images.shape == (len(labels), 3, 32, 32) and 0 <= labels.min() <= labels.max() < cifar.classes


def refused(folder: Path, content: bytes, message: str) -> None:
    write_python3(folder / "test", *draw(2, 0), hundred=True)
    (folder / "train").write_bytes(content)
    with memory_below(100), pytest.raises(ValueError, match=rf"train is not a pickle of .*{message}"):
        read_cifar(CIFAR100, folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02}r\xff\xff\xff\x7f.", ""),  # remembered under number 2 ** 31, for which Python would make room
        (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b".", "expected 1099511627776 bytes"),
        (b"\x80\x02" + b"]" * 30_000 + b".", "more than 20[0-9]+ instructions"),
        (b"\x80\x02cnumpy\nndarray\n(J\xff\xff\xff\x7ftR.", "calls numpy.ndarray, which is not allowed"),
        (b"\x80\x02cnumpy\ndtype\nX\x0b\x00\x00\x00S2000000000\x85R.", "asks for an array of 'S2000000000'"),
        (b"\x80\x02cnumpy\ndtype\nX\x01\x00\x00\x00O\x85R.", "asks for an array of 'O'"),
        (b"\x80\x02c_codecs\nencode\n}b.", "fills a Name"),
        (b"\x80\x02})" + b"2\x86" * 60 + b"Ns.", "DUP"),
        (b"\x80\x02}(" + b")q\x00" + b"h\x00\x86q\x00h\x00" * 60 + b"u.", "has a tuple for a key"),
    ],
)
def test_a_pickle_cannot_make_more_of_itself_than_it_is(content: bytes, message: str, tmp_path: Path) -> None:
    if message:
        refused(tmp_path, content, message)
    else:
        write_python3(tmp_path / "test", *draw(2, 0), hundred=True)
        (tmp_path / "train").write_bytes(content)
        with memory_below(100), pytest.raises(ValueError, match="train does not hold a dict with"):
            read_cifar(CIFAR100, tmp_path)


def test_labels_that_hold_themselves_many_times_are_refused_at_once(tmp_path: Path) -> None:
    write_python3(tmp_path / "test", *draw(2, 0), hundred=True)
    write_python3(tmp_path / "train", *draw(1, 0), hundred=True)
    content = (tmp_path / "train").read_bytes()
    doubled = b"]q\xfa" + b"](h\xfah\xfaeq\xfa" * 40
    at = content.index(b"fine_labels") + len(b"fine_labels")
    at = content.index(b"]", at)
    (tmp_path / "train").write_bytes(content[:at] + b"]" + doubled + b"a" + content[-2:])
    with pytest.raises(ValueError, match=r"train.*label of type list is not in 0 to 99|train is not a pickle"):
        read_cifar(CIFAR100, tmp_path)


def test_a_parquet_file_that_says_it_holds_far_more_than_it_can_is_refused(tmp_path: Path) -> None:
    rows = 1_000_000
    image = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [encode(draw(1, 0)[0][0])])
    kind = pa.struct([("bytes", image.type)])
    images = pa.StructArray.from_arrays([image], fields=list(kind))
    table = pa.table({"img": images, "label": np.zeros(rows, np.int64)})
    for name in ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"):
        pq.write_table(table, tmp_path / name)
    assert (tmp_path / name).stat().st_size < 1_000_000
    with memory_below(100), pytest.raises(ValueError, match=r"parquet claims to hold 3\d{9} bytes"):
        read_cifar(CIFAR10, tmp_path)
