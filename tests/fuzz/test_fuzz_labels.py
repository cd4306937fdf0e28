"""Damaged files of labels, and files that say they hold more than they do."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_select_gym.tasks.label_files import read_labels

from .damage import damaged, memory_below, read_all, within_zip

LABELS = [3, 1, 0, 2, 3, 1, 1, 0]


def npy(values: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def npz(values: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, labels=values)
    return file.getvalue()


def pt(values: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(values, file, **options)
    return file.getvalue()


SEEDS = {
    "a.npy": (npy(LABELS), None),
    "a.npz": (npz(np.array(LABELS)), "labels"),
    "a.pt": (pt(torch.tensor(LABELS)), None),
    "dict.pt": (pt({"worse_label": np.array(LABELS), "clean_label": np.array(LABELS)}), "worse_label"),
    "old.pt": (pt({"worse_label": np.array(LABELS)}, _use_new_zipfile_serialization=False), "worse_label"),
    "a.txt": ("".join(f"{label}\n" for label in LABELS).encode(), None),
}


@pytest.mark.parametrize("name", SEEDS)
def test_a_damaged_file_of_labels_is_an_error_that_names_it_or_is_read(
    name: str, tmp_path: Path, numbers: range
) -> None:
    content, key = SEEDS[name]
    path = tmp_path / name
    path.write_bytes(content)
    assert read_labels(path, f"file={name!r}", key).tolist() == LABELS
    with memory_below(100):
        found = read_all(path, damaged(content, numbers), lambda: read_labels(path, f"file={name!r}", key))
    assert all(labels.ndim == 1 and labels.dtype == torch.int64 for labels in found)


@pytest.mark.parametrize("name", ["a.pt", "dict.pt"])
def test_labels_that_are_damaged_within_their_file_are_an_error_that_names_it_or_are_read(
    name: str, tmp_path: Path, numbers: range
) -> None:
    content, key = SEEDS[name]
    path = tmp_path / name
    with memory_below(100):
        found = read_all(
            path, within_zip(content, "data.pkl", numbers), lambda: read_labels(path, f"file={name!r}", key)
        )
    assert all(labels.ndim == 1 and labels.dtype == torch.int64 for labels in found)


def header(shape: tuple[int, ...]) -> bytes:
    text = repr({"descr": "<i8", "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n"


@pytest.mark.parametrize("shape", [(1 << 33,), (1 << 45,), (1 << 70,), (-1,), (1 << 40, 1 << 40)])
def test_an_array_that_is_not_there_takes_no_memory(shape: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(header(shape) + bytes(64))
    with memory_below(50), pytest.raises(ValueError, match=r"^file is not an array of numbers in NumPy's format"):
        read_labels(tmp_path / "a.npy", "file")


@pytest.mark.parametrize("shape", [(1 << 33,), (1 << 45,), (1 << 70,), (-2,), (1 << 40, 1 << 40)])
def test_an_array_that_is_not_in_an_archive_takes_no_memory(shape: tuple[int, ...], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("labels.npy", header(shape) + bytes(64))
    with memory_below(50), pytest.raises(ValueError, match=r"^file is not a file of arrays of numbers in NumPy's"):
        read_labels(tmp_path / "a.npz", "file", "labels")


def test_an_archive_that_unpacks_to_far_more_than_it_has_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("labels.npy", header((1 << 23,)) + bytes(1 << 26))
    with memory_below(50), pytest.raises(ValueError, match=r"it claims to hold \d+ bytes and has room for fewer"):
        read_labels(tmp_path / "a.npz", "file", "labels")


def test_a_number_that_is_repeated_without_end_is_refused(tmp_path: Path) -> None:
    torch.save(torch.tensor([1]).expand(1 << 40), tmp_path / "a.pt")
    with memory_below(50), pytest.raises(ValueError, match=r"^file claims to hold 1099511627776 labels; it has "):
        read_labels(tmp_path / "a.pt", "file")


@pytest.mark.parametrize(
    "value", [torch.ones(3, dtype=torch.bfloat16), torch.ones(3).to_sparse(), [[1], [1, 2]], "text", 5]
)
def test_what_is_no_array_of_whole_numbers_is_told(value: Any, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"^file holds .*; whole numbers of shape \(n,\) are needed"):
        read_labels(tmp_path / "a.pt", "file")
