"""Readers of prompts and answers in the layouts in which they are passed around as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from data_select_gym.arguments import check_path
from data_select_gym.tasks.rows import is_whole_text

# Names of the columns, the first that is there counts.
PROMPTS = ("instruction", "prompt", "question")
ANSWERS = ("output", "answer", "completion", "response")
# Roles of chat messages as they are called in files, and here.
ROLES = {"system": "system", "user": "user", "assistant": "assistant", "human": "user", "gpt": "assistant"}

PARTS = {"train": ("train",), "validation": ("validation", "valid", "dev"), "test": ("test",)}
ENDINGS = (".jsonl", ".json")


class Turn(NamedTuple):
    """What one side says: ``role`` is system, user or assistant."""

    role: str
    text: str


Conversation: TypeAlias = list[Turn]


def find_parts(data_dir: str | os.PathLike[str]) -> dict[str, Path]:
    """The files of a data folder, by part: train, and validation and test where they are there.

    Args:
        data_dir: a folder with ``train.jsonl`` or ``train.json``, and so on; or one file, which is the training set.

    Raises:
        FileNotFoundError: there is no such folder or file, or no training set in the folder.
        ValueError: a part is there in more than one file.
    """
    place = check_path("data_dir", data_dir).resolve()
    if place.is_file():
        return {"train": place}
    if not place.is_dir():
        raise FileNotFoundError(f"data_dir={os.fspath(data_dir)!r} is not a folder or file")
    found = {}
    for part, names in PARTS.items():
        files = [path for name in names for ending in ENDINGS if (path := place / (name + ending)).is_file()]
        if len(files) > 1:
            raise ValueError(f"{place} has the {part} set more than once: {', '.join(path.name for path in files)}")
        if files:
            found[part] = files[0]
    if "train" not in found:
        raise FileNotFoundError(f"data_dir={str(place)!r} has no train.jsonl or train.json")
    return found


def read_conversations(path: Path) -> list[Conversation]:
    """The conversations of a file: one JSON object a line, or one JSON array of objects.

    An object has a prompt and an answer (``PROMPTS`` and ``ANSWERS``, and maybe ``input``, as Alpaca's files have), or
    ``messages`` of ``role`` and ``content``, or ``conversations`` of ``from`` and ``value``. A column that is null is
    as good as not there.

    Raises:
        ValueError: the file is empty or no JSON, or a row has not the columns of a layout; with file and line.
    """
    conversations = [_parse(row, place) for row, place in _rows(path)]
    if not conversations:
        raise ValueError(f"{path} is empty; at least one row is needed")
    return conversations


def _rows(path: Path) -> Iterator[tuple[Any, str]]:
    """What is in the file, with the place of each."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not in UTF-8: {error}") from error
    if text.lstrip().startswith("["):
        try:
            yield from ((row, f"{path}, element {number}") for number, row in enumerate(json.loads(text), 1))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not JSON that can be read: {error}") from error
        return
    # Not splitlines(), which also parts a text at marks that JSON allows within it.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line), f"{path}, line {number}"
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number}: not JSON: {error.msg}") from error
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path}, line {number}: not JSON that can be read: {error}") from error


def _parse(row: Any, place: str) -> Conversation:
    if not isinstance(row, dict):
        raise ValueError(f"{place}: a {type(row).__name__}; an object is needed")
    columns = {name: value for name, value in row.items() if value is not None}
    if "messages" in columns:
        return _parse_messages(columns["messages"], "role", "content", f"{place}: messages")
    if "conversations" in columns:
        return _parse_messages(columns["conversations"], "from", "value", f"{place}: conversations")
    prompt = next((name for name in PROMPTS if name in columns), None)
    answer = next((name for name in ANSWERS if name in columns), None)
    if prompt is None or answer is None:
        missing = PROMPTS if prompt is None else ANSWERS
        raise ValueError(
            f"{place}: it has the columns {', '.join(columns) or 'none'}, and none of {', '.join(missing)}; "
            "a prompt and an answer are needed, or messages"
        )
    texts = {name: columns[name] for name in (prompt, "input", answer) if name in columns}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"{place}: {name} is a {type(text).__name__}; a text is needed")
        if not is_whole_text(text):
            raise ValueError(f"{place}: {name} has half of a character")
    asked = texts[prompt]
    if texts.get("input"):
        asked += f"\n\n### Input:\n{texts['input']}"
    return [Turn("user", asked), Turn("assistant", texts[answer])]


def _parse_messages(messages: Any, role: str, content: str, place: str) -> Conversation:
    if not isinstance(messages, list) or not messages:
        raise ValueError(f"{place} is not a list with a message in it")
    turns = []
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or not isinstance(message.get(content), str):
            raise ValueError(f"{place}, message {number}: an object with {role!r} and a text {content!r} is needed")
        if not isinstance(message.get(role), str) or message[role] not in ROLES:
            raise ValueError(
                f"{place}, message {number}: {role} is {message.get(role)!r}; known are: {', '.join(ROLES)}"
            )
        if not is_whole_text(message[content]):
            raise ValueError(f"{place}, message {number}: {content} has half of a character")
        turns.append(Turn(ROLES[message[role]], message[content]))
    return turns
