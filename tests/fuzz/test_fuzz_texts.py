"""Damaged files of texts, questions, conversations and class names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.tasks.images.image_layouts import read_image_folder
from data_select_gym.tasks.language.instructions import read_conversations
from data_select_gym.tasks.language.mmlu import read_questions
from data_select_gym.tasks.text.text_files import read_texts

from ..tasks.written_images import write_tiny_imagenet
from .damage import damaged, memory_below, read_all

TEXTS = [("a fine film", 1), ("dull, and slow", 0), ('"quoted" and warm \u00fc', 1)]
TABLES = {
    "train.tsv": "sentence\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in TEXTS),
    "train.csv": "text,label\n" + "".join(f'"{text.replace(chr(34), chr(34) * 2)}",{label}\n' for text, label in TEXTS),
    "train.jsonl": "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in TEXTS),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_file_of_texts_is_an_error_that_names_it_or_is_read(
    name: str, tmp_path: Path, numbers: range
) -> None:
    with memory_below(100):
        found = read_all(tmp_path / name, damaged(TABLES[name].encode(), numbers), lambda: read_texts(tmp_path))
    for splits in found:
        texts, labels = splits["train"].texts, splits["train"].labels.values
        assert labels is not None and len(texts) == len(labels) > 0
        assert all(text.strip() and text.encode() for text in texts)


ROWS: list[dict[str, Any]] = [
    {"instruction": "Name it.", "input": "a \u00fc", "output": "yes 12"},
    {"question": "Why?", "answer": "so"},
    {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]},
    {"conversations": [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "hi"}]},
]


@pytest.mark.parametrize("content", ["".join(json.dumps(row) + "\n" for row in ROWS), json.dumps(ROWS, indent=1)])
def test_a_damaged_file_of_conversations_is_an_error_that_names_it_or_is_read(
    content: str, tmp_path: Path, numbers: range
) -> None:
    path = tmp_path / "train.json"
    with memory_below(100):
        found = read_all(path, damaged(content.encode(), numbers), lambda: read_conversations(path))
    for conversations in found:
        assert all(isinstance(turn.text.encode(), bytes) for conversation in conversations for turn in conversation)


@pytest.mark.parametrize(
    "row", [{"prompt": "\ud83d", "answer": "a"}, {"messages": [{"role": "user", "content": "\ud83d"}]}]
)
def test_half_a_character_is_told_with_its_line(row: Any, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(ValueError, match=r"train\.jsonl, line 1.* has half of a character$"):
        read_conversations(tmp_path / "train.jsonl")
    (tmp_path / "train.jsonl").write_text(json.dumps({"text": "\ud83d", "label": 1}) + "\n")
    with pytest.raises(ValueError, match=r"train\.jsonl, line 1: column 'text' has half of a character$"):
        read_texts(tmp_path)


def test_a_role_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"messages": [{"role": ["user"], "content": "hello"}]}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl, line 1.* role is \['user'\]; known are"):
        read_conversations(tmp_path / "a.jsonl")


def test_a_damaged_file_of_questions_is_an_error_that_names_it_or_is_read(tmp_path: Path, numbers: range) -> None:
    path = tmp_path / "logic_test.csv"
    content = 'What is \u00fc?,1,2,"3, or so",4,B\n"Two\nlines?",one,two,three,four,D\n'
    with memory_below(100):
        read_all(path, damaged(content.encode(), numbers), lambda: read_questions(path))


def test_damaged_annotations_are_an_error_that_names_them_or_are_read(tmp_path: Path, numbers: range) -> None:
    write_tiny_imagenet(tmp_path, 1, 3)
    path = tmp_path / "val" / "val_annotations.txt"
    contents = list(damaged(path.read_bytes(), numbers))
    with memory_below(100):
        read_all(path, contents, lambda: read_image_folder(tmp_path, 8))
