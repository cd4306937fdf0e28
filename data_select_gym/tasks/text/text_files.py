"""Labelled texts in files of tab-separated values, comma-separated values or JSON lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from data_select_gym.arguments import check_path, is_whole
from data_select_gym.tasks.class_numbers import RawLabels
from data_select_gym.tasks.rows import MARK, is_whole_text, load_json, table_rows
from data_select_gym.tasks.unread_warnings import UnreadColumns, data_files, warn_unread_columns, warn_unread_splits

# Name of a column; or its number from 0 in a file without a header; None for the default.
Column: TypeAlias = str | int | None
# Number of a line and its content: fields, or entries by name.
Row: TypeAlias = tuple[int, Any]

SPLITS = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
SPLIT_NAMES = ", ".join(name for names in SPLITS.values() for name in names)
SUFFIXES = (".tsv", ".csv", ".jsonl")
TEXT_NAMES = ("sentence", "text")
LABEL_NAME = "label"
NOT_READ = "name as text_column the one to be read, and join texts that belong together in one column"


@dataclass(frozen=True)
class Texts:
    """The texts of one split, none of them empty, and their labels."""

    texts: list[str]
    labels: RawLabels


def read_texts(
    data_dir: str | os.PathLike[str], text_column: Column = None, label_column: Column = None
) -> dict[str, Texts]:
    """The available splits, by the names ``"train"``, ``"validation"`` and ``"test"``.

    Blank lines are skipped. A field of a ``.tsv`` file is taken literally; one of a ``.csv`` file may be quoted. A test
    file with a header or JSON lines may have no labels at all. Warnings name unread columns with words in them, unless
    ``text_column`` is given, and files that look like a missing split.

    Args:
        data_dir: folder with ``train.tsv``, ``train.csv`` or ``train.jsonl``; and optionally the same for
            ``validation`` (or ``valid``, ``val`` or ``dev``) and for ``test``.
        text_column: name of the column with the texts; or its number from 0 if the files have no header. If None, it is
            ``sentence`` or ``text`` if the first row has that, otherwise the first of two columns without a header.
        label_column: the same for the labels; if None, ``label`` or the second column.

    Raises:
        FileNotFoundError: there is no such folder, or it has no training file.
        ValueError: a split has two files; or a file is damaged, holds no texts, lacks a column or has it twice, or has
            more than two columns without a header; or a row lacks its text or its label.
        TypeError: ``data_dir`` is not a path, or a column is neither a name nor a number.
    """
    for name, column in (("text_column", text_column), ("label_column", label_column)):
        if column is not None and not isinstance(column, str) and not is_whole(column):
            raise TypeError(f"{name}={column!r} is neither the name of a column nor its number")
    folder = check_path("data_dir", data_dir)
    if not folder.is_dir():
        raise FileNotFoundError(f"data_dir={os.fspath(data_dir)!r} is not a folder")
    paths = {split: _find(folder, names) for split, names in SPLITS.items()}
    if paths["train"] is None:
        raise FileNotFoundError(
            f"data_dir={str(folder)!r} has none of {', '.join(f'train{each}' for each in SUFFIXES)}"
        )
    found = {split: path for split, path in paths.items() if path is not None}
    known = f"what is read is named {SPLIT_NAMES}, each {' or '.join(SUFFIXES)}"
    warn_unread_splits(str(folder), data_files(folder, found.values()), found, known)
    return {split: _read_file(path, split, text_column, label_column) for split, path in found.items()}


def _find(folder: Path, names: tuple[str, ...]) -> Path | None:
    paths = [path for name in names for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    if len(paths) > 1:
        raise ValueError(f"{folder} has {' and '.join(path.name for path in paths)}; one of them is needed, not more")
    return paths[0] if paths else None


def _read_file(path: Path, split: str, text_column: Column, label_column: Column) -> Texts:
    """Texts and labels of a file; the test split may lack the column of labels."""
    rows = _json_rows(path) if path.suffix == ".jsonl" else _table_rows(path)
    first = next(rows, None)
    if first is None:
        raise ValueError(f"{path} is empty")
    columns = _json_columns if path.suffix == ".jsonl" else _table_columns
    text, label, header = columns(path, first[1], text_column, label_column, split == "test")
    taken, unread = [], UnreadColumns({text, label})
    for line, row in rows if header else chain([first], rows):
        taken.append((line, _cell(path, line, row, text), None if label is None else _cell(path, line, row, label)))
        if text_column is None:
            unread.see(row if isinstance(row, dict) else dict(enumerate(row)))
    if not taken:
        raise ValueError(f"{path} holds no texts, only a header")
    warn_unread_columns(str(path), [first[1][column] if header else column for column in unread.found], NOT_READ)
    lines, texts, labels = zip(*taken, strict=True)
    guessed = text_column is None and label_column is None and text == 0 and not header
    if guessed and split == "train" and len(labels) > 2 and labels[0] not in labels[1:]:
        raise ValueError(
            f"{path}: no other row has the label of the first, {labels[0]!r}; if that row is a header, name both "
            "columns, else give them by number, 0 and 1 if the text comes first"
        )
    values = None if label is None else list(labels)
    return Texts(list(texts), RawLabels(str(path), values, lambda row: f"{path}, line {lines[row]}"))


def _table_rows(path: Path) -> Iterator[Row]:
    """The rows of a table that are not blank, all of the same length."""
    tabs = path.suffix == ".tsv"
    width = 0
    for line, row in table_rows(path, delimiter="\t" if tabs else ",", quoted=not tabs, strict=True):
        width = width or len(row)
        if len(row) != width:
            raise ValueError(f"{path}, line {line}: the row has {len(row)} fields, and the first has {width}")
        yield line, row


def _json_rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8") as file:
            for line, written in enumerate(file, start=1):
                if rest := written.removeprefix(MARK).strip():
                    yield line, _json_row(f"{path}, line {line}", rest)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: {error}") from error


def _json_row(place: str, written: str) -> dict[str, Any]:
    try:
        row = load_json(written)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place} is not JSON that can be read: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"{place}: it is a {type(row).__name__}; an object is needed")
    return row


def _table_columns(
    path: Path, first: list[str], text_column: Column, label_column: Column, unlabelled: bool
) -> tuple[int, int | None, bool]:
    """Numbers of both columns, and whether the first row is a header."""
    given = [column for column in (text_column, label_column) if column is not None]
    names = [column for column in given if isinstance(column, str)]
    if not names and (given or not any(name in first for name in TEXT_NAMES)):
        if not given and len(first) > 2:
            raise ValueError(
                f"{path} has {len(first)} columns, and none is named {' or '.join(TEXT_NAMES)}: give text_column and "
                "label_column, by name if the first row is a header, else by number from 0"
            )
        text, label = (
            default if column is None else int(column) for column, default in ((text_column, 0), (label_column, 1))
        )
        for name, number in (("text_column", text), ("label_column", label)):
            if not 0 <= number < len(first):
                raise ValueError(f"{path} has {len(first)} columns; {name}={number} needs more")
        return text, label, False
    if len(names) < len(given):
        raise ValueError(
            f"text_column={text_column!r} and label_column={label_column!r}: give both by name, for files with a "
            "header, or both by number, for files without"
        )
    text_name, label_name = _names(path, first, text_column, label_column, unlabelled)
    twice = [column for column in (text_name, label_name) if column is not None and first.count(column) > 1]
    if twice:
        raise ValueError(f"{path} has the column {twice[0]!r} more than once; it has: {', '.join(first)}")
    return first.index(text_name), None if label_name is None else first.index(label_name), True


def _json_columns(
    path: Path, first: dict[str, Any], text_column: Column, label_column: Column, unlabelled: bool
) -> tuple[str, str | None, bool]:
    return *_names(path, list(first), text_column, label_column, unlabelled), False


def _names(
    path: Path, found: list[str], text_column: Column, label_column: Column, unlabelled: bool
) -> tuple[str, str | None]:
    """Names of both columns, if they are among those found.

    Raises:
        ValueError: one is not among them, or is a number.
    """
    if text_column is None:
        text_column = next((name for name in TEXT_NAMES if name in found), TEXT_NAMES[0])
    label_column = LABEL_NAME if label_column is None else label_column
    for name, column in (("text_column", text_column), ("label_column", label_column)):
        if column not in found and not (unlabelled and name == "label_column"):
            raise ValueError(f"{path} has no {name} {column!r}; it has: {', '.join(found)}")
    return str(text_column), str(label_column) if label_column in found else None


def _cell(path: Path, line: int, row: Any, column: str | int) -> str:
    """The entry of a row in a column, as text.

    Raises:
        ValueError: it is missing, or neither text nor a whole number.
    """
    value = row.get(column) if isinstance(row, dict) else row[column]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{path}, line {line}: column {column!r} is {value!r}; a text or a whole number is needed")
    if not is_whole_text(value):
        raise ValueError(f"{path}, line {line}: column {column!r} has half of a character")
    return value.strip()
