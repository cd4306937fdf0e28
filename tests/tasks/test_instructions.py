import json
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.tasks.language.instructions import Turn, find_parts, read_conversations

from .written_language import write_lines

ASKED = [Turn("user", "Say hi."), Turn("assistant", "Hi.")]
SHARED = {"conversations": [{"from": "human", "value": "Say hi."}, {"from": "gpt", "value": "Hi."}]}


def chat(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Say hi.", "output": "Hi."},
        {"instruction": "Say hi.", "input": "", "output": "Hi."},
        {"question": "Say hi.", "answer": "Hi."},
        {"prompt": "Say hi.", "completion": "Hi."},
        {"prompt": "Say hi.", "response": "Hi.", "messages": None},
        {"instruction": "Say hi.", "context": " ", "response": "Hi."},
        {"instruction": "", "question": "Say hi.", "output": " ", "answer": "Hi."},
        {"question": "Say hi.", "answer": "Hi.", "system_prompt": "", "id": "7", "score": 0.5},
        {"prompt": "Say hi."} | SHARED,
        chat(("user", "Say hi."), ("assistant", "Hi.")),
        SHARED,
    ],
)
def test_every_layout_is_read_as_the_same_conversation(row: dict[str, Any], tmp_path: Path) -> None:
    assert read_conversations(write_lines(tmp_path / "a.jsonl", [row])) == [ASKED]


def test_a_file_may_be_an_array_or_lines_of_which_blank_ones_do_not_count(tmp_path: Path) -> None:
    row = {"question": "Say\u2028hi.", "answer": "Hi."}
    line = json.dumps(row, ensure_ascii=False)
    for content in (f"{line}\n\n{line}", f" [{line},\n {line}]\n", f"\ufeff{line}\r\n\ufeff{line}\r\n\ufeff"):
        path = tmp_path / "file"
        path.write_text(content, encoding="utf-8")
        assert read_conversations(path) == [[Turn("user", "Say\u2028hi."), Turn("assistant", "Hi.")]] * 2


def test_an_input_stands_below_its_instruction(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"instruction": "Add.", "input": "1 2", "output": "3"}])
    assert read_conversations(path)[0][0] == Turn("user", "Add.\n\n### Input:\n1 2")


def test_a_context_stands_below_its_instruction_as_an_input_does(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Who?", "context": "It was Ann.", "response": "Ann."},
        {"question": "Who?", "input": "1", "context": "2", "answer": "Ann."},
    ]
    asked = [conversation[0].text for conversation in read_conversations(write_lines(tmp_path / "a.jsonl", rows))]
    assert asked == ["Who?\n\n### Context:\nIt was Ann.", "Who?\n\n### Input:\n1\n\n### Context:\n2"]


@pytest.mark.parametrize("column", ["system", "system_prompt"])
def test_a_column_for_the_system_stands_before_all(column: str, tmp_path: Path) -> None:
    chats = [chat(*ASKED), chat(("system", "Be kind."), *ASKED), SHARED, {"question": "Say hi.", "answer": "Hi."}]
    path = write_lines(tmp_path / "a.jsonl", [row | {column: "Be kind."} for row in chats])
    assert read_conversations(path) == [[Turn("system", "Be kind."), *ASKED]] * 4


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"category": "art", "question": "Why?", "answer": "So."}, "the column category is"),
        (
            {"question": "Why?", "answer": "So.", "history": [["a", "b"]], "rationale": "As"},
            "the columns history, rationale are",
        ),
        ({"instruction": "Why?", "question": "Who?", "answer": "So."}, "the column question is"),
        ({"input": "So"} | chat(("user", "Hi."), ("assistant", "Hi!")), "the column input is"),
        (
            {"messages": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hi!", "weight": 0}]},
            r"the column messages\.weight is",
        ),
        (
            {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b", "tools": "c"}]},
            r"the column conversations\.tools is",
        ),
    ],
)
def test_columns_that_nobody_reads_are_named(row: Any, named: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"question": "Why?", "answer": "So."}, row, row])
    with pytest.warns(
        UserWarning, match=rf"a\.jsonl: {named} not read; prompts are made of instruction, prompt, que"
    ) as told:
        read_conversations(path)
    assert len(told) == 1


def test_blank_prompts_are_told_of_with_the_first_of_them(tmp_path: Path) -> None:
    rows = [{"instruction": asked, "output": "So."} for asked in ("Why?", " ", "")]
    path = write_lines(
        tmp_path / "a.jsonl", [*rows, rows[1] | {"input": "Why?"}, chat(("user", ""), ("assistant", "a"))]
    )
    with pytest.warns(UserWarning, match=r"a\.jsonl, line 2: the prompt is blank, as in 3 rows in all$"):
        assert len(read_conversations(path)) == 5


def test_a_chat_keeps_all_its_turns(tmp_path: Path) -> None:
    turns = [("system", "Be kind."), ("user", "Hi."), ("assistant", "Hi!"), ("user", "Bye."), ("assistant", "Bye!")]
    assert read_conversations(write_lines(tmp_path / "a.jsonl", [chat(*turns)])) == [turns]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"question": "Why?"},
            "it has the columns question, and none of output, answer, completion, response; a prompt",
        ),
        ({"question": "Why?", "answer": None}, "it has the columns question, and none of output"),
        (
            {"text": "Why?", "output": "So."},
            "it has the columns text, output, and none of instruction, prompt, question",
        ),
        ({}, "it has the columns none, and none of"),
        ({"question": "Why?", "answer": 3}, "answer is a int; a text is needed$"),
        ({"question": "Why?", "answer": "So.", "context": ["a"]}, "context is a list; a text is needed$"),
        ({"question": "Why?", "answer": "So.", "system": 3}, "system is a int; a text is needed$"),
        ([1], "a list; an object is needed$"),
        ({"messages": []}, "messages is not a list with a message in it$"),
        ({"messages": "hi"}, "messages is not a list with a message in it$"),
        (
            chat(("user", "Hi."), ("tool", "x")),
            "messages, message 2: role is 'tool'; known are: system, user, assistant",
        ),
        (
            {"messages": [{"role": "user"}]},
            "messages, message 1: an object with 'role' and a text 'content' is needed$",
        ),
        ({"conversations": [{"from": "x", "value": ""}]}, "conversations, message 1: from is 'x'; known are"),
    ],
)
def test_a_row_without_its_columns_is_an_error_with_file_and_line(row: Any, message: str, tmp_path: Path) -> None:
    good = {"question": "Why?", "answer": "So."}
    path = write_lines(tmp_path / "a.jsonl", [good, row])
    with pytest.raises(ValueError, match=rf"a\.jsonl, line 2: {message}"):
        read_conversations(path)
    path.write_text(json.dumps([good, good, row]))
    with pytest.raises(ValueError, match=rf"a\.jsonl, element 3: {message}"):
        read_conversations(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"question": "a", "answer": "b"}\n{"question": "a', "line 2: not JSON: Unterminated string"),
        (b'[{"question": "a", "answer": "b"},\n{"question"}]', "line 2: not JSON: Expecting ':'"),
        (b'{"question": "a", "answer": "b", "answer": "c"}', "line 1: .* 'answer' more than once: 'b' and 'c'$"),
        (b'[{"question": "a", "answer": "b", "answer": "c"}]', ": .* 'answer' more than once: 'b' and 'c'$"),
        (b"\n\n", " is empty; at least one row is needed$"),
        (b"[]", " is empty; at least one row is needed$"),
        (b'{"question": "\xff"}', " is not in UTF-8"),
    ],
)
def test_a_damaged_file_is_an_error_with_file_and_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.json(, )?{message}"):
        read_conversations(path)


def test_parts_are_found_by_their_usual_names(tmp_path: Path) -> None:
    for name in ("train.json", "dev.jsonl", "test.jsonl", "notes.json"):
        (tmp_path / name).touch()
    assert {part: path.name for part, path in find_parts(tmp_path).items()} == {
        "train": "train.json",
        "validation": "dev.jsonl",
        "test": "test.jsonl",
    }
    assert find_parts(tmp_path / "notes.json") == {"train": (tmp_path / "notes.json").resolve()}
    (tmp_path / "dev.jsonl").rename(tmp_path / "val.jsonl")
    assert find_parts(tmp_path)["validation"].name == "val.jsonl"
    (tmp_path / "val.jsonl").rename(tmp_path / "eval.jsonl")
    with pytest.warns(
        UserWarning, match=r"no validation set is found, and eval\.jsonl is not read; what is read is named"
    ):
        find_parts(tmp_path)
    (tmp_path / "eval.jsonl").rename(tmp_path / "dev.jsonl")
    (tmp_path / "validation.json").touch()
    with pytest.raises(ValueError, match=r"has the validation set more than once: validation.json, dev.jsonl$"):
        find_parts(tmp_path)


def test_a_folder_without_a_training_set_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^data_dir='.*' has no train.jsonl or train.json$"):
        find_parts(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^data_dir='.*away' is not a folder or file$"):
        find_parts(tmp_path / "away")
