"""Reads rows of tables and JSON files."""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

MARK = "\ufeff"
LARGEST = 2**31 - 1


def table_rows(
    path: Path, *, delimiter: str = ",", quoted: bool = True, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table that are not blank, each with the number of its last line.

    Fields may be of any length. Byte-order marks are skipped, also inside the file, as concatenated files have them.

    Args:
        path: of the file, in UTF-8.
        delimiter: between fields.
        quoted: whether fields may be in quotes; otherwise they are taken literally, with a warning if any look quoted.
        strict: whether unclosed quotes and quotes within a field are errors.

    Raises:
        ValueError: the file is damaged, with its line.
    """
    parser = _parser()
    quoting = parser.QUOTE_MINIMAL if quoted else parser.QUOTE_NONE
    looks_quoted: list[int] = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = parser.reader(_lines(path, file), delimiter=delimiter, quoting=quoting, strict=strict)
            try:
                for row in reader:
                    if not quoted and any(map(_looks_quoted, row)):
                        looks_quoted.append(reader.line_num)
                    if any(field.strip() for field in row):
                        yield reader.line_num, row
            except parser.Error as error:
                raise ValueError(f"{path}, line {reader.line_num}: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: {error}") from error
    if looks_quoted:
        warnings.warn(
            f"{path}, line {looks_quoted[0]}: a field is quoted as in .csv files, but fields of {path.suffix} files "
            f"are taken literally, quotes included; there are {len(looks_quoted)} such lines",
            stacklevel=3,
        )


def _parser() -> ModuleType:
    """A separate copy of the ``csv`` module's parser, with a higher limit for the length of a field.

    The limit of ``csv`` itself applies to the whole process, and other code may rely on it.
    """
    spec = importlib.util.find_spec("_csv")
    if spec is None or spec.loader is None:
        raise ImportError("reading tables needs the module _csv, which this Python lacks")
    parser = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parser)
    parser.field_size_limit(LARGEST)
    return parser


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if "\0" in line:
            raise ValueError(f"{path}, line {number}: it has a NUL byte, which no text in UTF-8 has")
        yield line.removeprefix(MARK)


def _looks_quoted(field: str) -> bool:
    """Whether it is in quotes, with doubled quotes inside."""
    if len(field) < 4 or field[0] != '"' or field[-1] != '"':
        return False
    within = field[1:-1]
    return '""' in within and '"' not in within.replace('""', "")


def load_json(written: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it cannot be parsed, or an object has two entries of one name.
        RecursionError: it is nested too deeply.
    """
    return json.loads(written, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        values = " and ".join(f"{value!r:.50}" for name, value in pairs if name == twice)
        raise ValueError(f"an object has {twice!r} more than once: {values}")
    return found


def is_whole_text(text: str) -> bool:
    """Whether a text has no lone surrogates, which JSON can express and no tokenizer accepts."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
