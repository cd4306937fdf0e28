"""Warnings that name data which is not read."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

LETTER = re.compile(r"[^\W\d_]")
# Beginnings of names that may be meant for a split.
BEGINNINGS = {"train": "train|training", "validation": "val|valid|validation|dev|eval|evaluation", "test": "test"}
DATA_SUFFIXES = {".csv", ".gz", ".json", ".jsonl", ".parquet", ".tsv", ".txt"}


def holds_words(value: Any) -> bool:
    """Whether a value may be meant to be read: text with a letter in it, or a non-empty list or object."""
    if isinstance(value, str):
        return LETTER.search(value) is not None
    return isinstance(value, list | dict) and bool(value)


class UnreadColumns:
    """Finds columns with words that are not read.

    Attributes:
        read: columns that are read in every row.
        found: the others, in the order in which words were found in them.
    """

    def __init__(self, read: Collection[Hashable] = ()) -> None:
        self.read = read
        self.found: list[Hashable] = []

    def see(self, row: Mapping[Any, Any]) -> None:
        """Note the columns of a row."""
        self.add(column for column, value in row.items() if column not in self.read and holds_words(value))

    def add(self, columns: Iterable[Hashable]) -> None:
        """Note columns that are not read, whatever they hold."""
        self.found += [column for column in columns if column not in self.found]


def warn_unread_columns(source: str, columns: Sequence[Hashable], remedy: str) -> None:
    """Name columns in a warning, if there are any, with a remedy."""
    if columns:
        those = "the column" if len(columns) == 1 else "the columns"
        are = "is" if len(columns) == 1 else "are"
        warnings.warn(f"{source}: {those} {', '.join(map(str, columns))} {are} not read; {remedy}", stacklevel=4)


def warn_unread_splits(source: str, there: Iterable[str], read: Iterable[str], known: str) -> None:
    """Warn of what looks like a split and is not read, if no other is read as that split.

    Args:
        source: of the data.
        there: names of what is not read.
        read: the splits that are read, by the names ``"train"``, ``"validation"`` and ``"test"``.
        known: says how to name splits.
    """
    names, present = sorted(there), set(read)
    for split, beginnings in BEGINNINGS.items():
        begins = re.compile(rf"({beginnings})(?![a-z])", re.IGNORECASE)
        unread = [name for name in names if begins.match(name)]
        if unread and split not in present:
            are = "is" if len(unread) == 1 else "are"
            warnings.warn(
                f"{source}: no {split} set is found, and {', '.join(unread)} {are} not read; {known}", stacklevel=4
            )


def data_files(folder: Path, read: Iterable[Path]) -> list[str]:
    """Names of the files of a folder that may hold data, except those that are read."""
    taken = {path.name for path in read}
    return [
        path.name
        for path in folder.iterdir()
        if path.suffix in DATA_SUFFIXES and path.name not in taken and path.is_file()
    ]
