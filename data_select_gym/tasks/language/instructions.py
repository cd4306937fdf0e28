"""Readers of prompts and answers in their usual JSON layouts."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from data_select_gym.arguments import check_path
from data_select_gym.tasks.rows import MARK, is_whole_text, load_json
from data_select_gym.tasks.text.text_files import SPLIT_NAMES, SPLITS
from data_select_gym.tasks.unread_warnings import UnreadColumns, data_files, warn_unread_columns, warn_unread_splits

# Names of columns; the first that is present and not blank counts.
PROMPTS = ("instruction", "prompt", "question")
ANSWERS = ("output", "answer", "completion", "response")
SYSTEMS = ("system", "system_prompt")
# Columns that go below the prompt, each with its name as a heading, if they are not blank.
BELOW = ("input", "context")
# Columns of messages, with the entries for who speaks and what.
CHATS = {"messages": ("role", "content"), "conversations": ("from", "value")}
# Roles of chat messages in files, and here.
ROLES = {"system": "system", "user": "user", "assistant": "assistant", "human": "user", "gpt": "assistant"}

ENDINGS = (".jsonl", ".json")


class Turn(NamedTuple):
    """One turn of a conversation; ``role`` is system, user or assistant."""

    role: str
    text: str


Conversation: TypeAlias = list[Turn]


def find_parts(data_dir: str | os.PathLike[str]) -> dict[str, Path]:
    """The files of a data folder by part: train, and validation and test if present.

    A warning names files that look like a missing part.

    Args:
        data_dir: a folder with ``train.jsonl`` or ``train.json``, and so on; or one file, the training set.

    Raises:
        FileNotFoundError: there is no such folder or file, or no training set in the folder.
        ValueError: a part is in more than one file.
    """
    place = check_path("data_dir", data_dir).resolve()
    if place.is_file():
        return {"train": place}
    if not place.is_dir():
        raise FileNotFoundError(f"data_dir={os.fspath(data_dir)!r} is not a folder or file")
    found = {}
    for part, names in SPLITS.items():
        files = [path for name in names for ending in ENDINGS if (path := place / (name + ending)).is_file()]
        if len(files) > 1:
            raise ValueError(f"{place} has the {part} set more than once: {', '.join(path.name for path in files)}")
        if files:
            found[part] = files[0]
    if "train" not in found:
        raise FileNotFoundError(f"data_dir={str(place)!r} has no train.jsonl or train.json")
    known = f"what is read is named {SPLIT_NAMES}, each {' or '.join(ENDINGS)}"
    warn_unread_splits(str(place), data_files(place, found.values()), found, known)
    return found


def read_conversations(path: Path) -> list[Conversation]:
    """The conversations of a file: one JSON object a line, or one JSON array of objects.

    An object has a prompt and an answer (``PROMPTS`` and ``ANSWERS``, and optionally ``input``, as in Alpaca's files,
    or ``context``, as in Dolly's), or ``messages`` of ``role`` and ``content``, or ``conversations`` of ``from`` and
    ``value``; and optionally ``system`` or ``system_prompt``. A null column counts as missing.

    Warnings name unread columns with words in them, and count blank prompts.

    Raises:
        ValueError: the file is empty or not JSON, or a row has the columns of no layout; with file and line.
    """
    conversations, unread, blank = [], UnreadColumns(), []
    for row, place in _rows(path):
        conversations.append(_parse(row, place, unread))
        if any(turn.role == "user" and not turn.text.strip() for turn in conversations[-1]):
            blank.append(place)
    if not conversations:
        raise ValueError(f"{path} is empty; at least one row is needed")
    remedy = f"prompts are made of {', '.join((*PROMPTS, *BELOW, *SYSTEMS, *CHATS))}: rename what belongs there"
    warn_unread_columns(str(path), unread.found, remedy)
    if blank:
        warnings.warn(f"{blank[0]}: the prompt is blank, as in {len(blank)} rows in all", stacklevel=2)
    return conversations


def _rows(path: Path) -> Iterator[tuple[Any, str]]:
    """The rows of the file, each with its place."""
    try:
        text = path.read_text(encoding="utf-8").removeprefix(MARK)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not in UTF-8: {error}") from error
    if text.lstrip().startswith("["):
        try:
            yield from ((row, f"{path}, element {number}") for number, row in enumerate(load_json(text), 1))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not JSON that can be read: {error}") from error
        return
    # Not splitlines(), which also splits at characters that JSON allows in a string.
    for number, line in enumerate(text.split("\n"), 1):
        if rest := line.removeprefix(MARK).strip():
            try:
                yield load_json(rest), f"{path}, line {number}"
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number}: not JSON: {error.msg}") from error
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path}, line {number}: not JSON that can be read: {error}") from error


def _parse(row: Any, place: str, unread: UnreadColumns) -> Conversation:
    if not isinstance(row, dict):
        raise ValueError(f"{place}: a {type(row).__name__}; an object is needed")
    columns = {name: value for name, value in row.items() if value is not None}
    chat = next((name for name in CHATS if name in columns), None)
    if chat is None:
        turns, read = _parse_pair(columns, place)
    else:
        turns, read = _parse_messages(columns[chat], *CHATS[chat], f"{place}: {chat}"), {chat}
        entries = (key for message in columns[chat] for key, value in message.items() if value is not None)
        # Also numbers, such as a weight that excludes a turn from learning.
        unread.add(f"{chat}.{key}" for key in entries if key not in CHATS[chat])
    system = _first(columns, SYSTEMS)
    if system is not None and (told := _text(columns, system, place)).strip():
        read.add(system)
        if turns[0] != ("system", told):
            turns.insert(0, Turn("system", told))
    # Some files repeat the first turn of a chat in a separate column.
    said = [turn.text for turn in turns]
    unread.see({name: value for name, value in columns.items() if name not in read and value not in said})
    return turns


def _parse_pair(columns: Mapping[str, Any], place: str) -> tuple[Conversation, set[str]]:
    """A prompt and its answer, and the columns they come from."""
    prompt, answer = _first(columns, PROMPTS), _first(columns, ANSWERS)
    if prompt is None or answer is None:
        missing = PROMPTS if prompt is None else ANSWERS
        raise ValueError(
            f"{place}: it has the columns {', '.join(columns) or 'none'}, and none of {', '.join(missing)}; "
            "a prompt and an answer are needed, or messages"
        )
    asked, below = (
        _text(columns, prompt, place),
        {name: _text(columns, name, place) for name in BELOW if name in columns},
    )
    for name, text in below.items():
        if text.strip():
            asked += f"\n\n### {name.capitalize()}:\n{text}"
    return [Turn("user", asked), Turn("assistant", _text(columns, answer, place))], {prompt, answer, *below}


def _first(columns: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first column that is present and not blank; otherwise the first that is present."""
    there = [name for name in names if name in columns]
    written = (name for name in there if not isinstance(columns[name], str) or columns[name].strip())
    return next(written, there[0] if there else None)


def _text(columns: Mapping[str, Any], name: str, place: str) -> str:
    text = columns[name]
    if not isinstance(text, str):
        raise ValueError(f"{place}: {name} is a {type(text).__name__}; a text is needed")
    if not is_whole_text(text):
        raise ValueError(f"{place}: {name} has half of a character")
    return text


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
