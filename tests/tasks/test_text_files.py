import json
from pathlib import Path

import pytest

from data_select_gym.tasks.text.text_files import read_texts

ROWS = [("a fine film", "1"), ('he said "no" , twice', "0"), ("dull, long", "0"), ("warm and wise", "1")]
TABLE = "".join(f"{text}\t{label}\n" for text, label in ROWS)
QUOTED = "".join('"{}",{}\n'.format(text.replace('"', '""'), label) for text, label in ROWS)
LINES = "".join(json.dumps({"sentence": text, "label": int(label)}) + "\n" for text, label in ROWS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.tsv", TABLE),
        ("train.tsv", "sentence\tlabel\n" + TABLE),
        ("train.tsv", "\ufeff" + TABLE.replace("\n", "\r\n")),
        ("train.tsv", TABLE.replace("\n", "\r")),
        ("train.tsv", TABLE.replace("\n", "\n\ufeff")),
        ("train.tsv", TABLE.replace("\n", "\n\n  \n")),
        ("train.csv", QUOTED),
        ("train.csv", "text,label\n" + QUOTED),
        ("train.csv", "label,id,text\n" + "".join(f'{y},7,"{x}"\n'.replace('"no"', '""no""') for x, y in ROWS)),
        ("train.jsonl", LINES),
        ("train.jsonl", "\ufeff" + LINES.replace("\n", "\r\n\ufeff")),
        ("train.jsonl", LINES.replace('"label": 1', '"label": "1 "')),
        ("train.jsonl", LINES.replace("sentence", "text") + "\n"),
    ],
)
def test_reads_texts_and_labels_of_each_form(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode())
    train = read_texts(tmp_path)["train"]
    assert list(zip(train.texts, train.labels.values or [], strict=True)) == ROWS


def test_columns_may_be_named_or_numbered(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("id,review,mood\n1,fine,good\n2,dull,bad\n")
    train = read_texts(tmp_path, "review", "mood")["train"]
    assert (train.texts, train.labels.values) == (["fine", "dull"], ["good", "bad"])
    (tmp_path / "train.csv").write_text("good,1,fine\nbad,2,dull\n")
    train = read_texts(tmp_path, 2, 0)["train"]
    assert (train.texts, train.labels.values) == (["fine", "dull"], ["good", "bad"])


@pytest.mark.parametrize("name", ["dev.tsv", "validation.csv", "valid.jsonl", "val.tsv"])
def test_splits_go_by_their_names(tmp_path: Path, name: str) -> None:
    contents = {".tsv": TABLE, ".csv": QUOTED, ".jsonl": LINES}
    for each in ("train.tsv", name, "test.jsonl"):
        (tmp_path / each).write_text(contents[Path(each).suffix])
    splits = read_texts(tmp_path)
    assert [*splits] == ["train", "validation", "test"]
    assert splits["validation"].texts == [text for text, _ in ROWS]
    assert splits["validation"].labels.place(2) == f"{tmp_path / name}, line 3"


def test_a_label_that_only_the_first_row_has_is_no_header_but_in_the_training_file(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text(TABLE)
    (tmp_path / "dev.tsv").write_text("fine\t1\ndull\t0\nslow\t0\n")
    assert read_texts(tmp_path)["validation"].labels.values == ["1", "0", "0"]
    (tmp_path / "dev.tsv").rename(tmp_path / "train.tsv")
    with pytest.raises(ValueError, match="if that row is a header, name both columns, else give them by number"):
        read_texts(tmp_path)
    assert read_texts(tmp_path, 0, 1)["train"].labels.values == ["1", "0", "0"]


@pytest.mark.parametrize(
    ("name", "content"), [("test.tsv", "index\tsentence\n0\tfine\n"), ("test.jsonl", '{"sentence": "fine"}\n')]
)
def test_only_a_test_file_may_lack_labels(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "train.tsv").write_text(TABLE)
    (tmp_path / name).write_text(content)
    test = read_texts(tmp_path)["test"]
    assert (test.texts, test.labels.values) == (["fine"], None)
    (tmp_path / name).rename(tmp_path / name.replace("test", "dev"))
    with pytest.raises(ValueError, match=r"has no label_column 'label'; it has: .*sentence"):
        read_texts(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.tsv", "", "train.tsv is empty"),
        ("train.tsv", "\n \n", "train.tsv is empty"),
        ("train.tsv", "sentence\tlabel\n", "holds no texts, only a header"),
        ("train.tsv", "fine\t1\ndull\n", r"train.tsv, line 2: the row has 1 fields, and the first has 2"),
        ("train.tsv", "fine\t1\nso\tso\t0\n", r"line 2: the row has 3 fields"),
        ("train.tsv", "fine\t1\n\n \t0\n", r"line 3: column 0 is ' '; a text"),
        ("train.tsv", "fine\t1\ndull\t\n", r"line 2: column 1 is ''"),
        ("train.tsv", "fine\ndull\n", r"has 1 columns; label_column=1 needs more"),
        ("train.tsv", "id\tsentence\n1\tfine\n", r"has no label_column 'label'; it has: id, sentence"),
        ("train.tsv", "review\tmood\nfine\t1\ndull\t0\n", "no other row has the label of the first, 'mood'"),
        ("train.tsv", b"caf\xe9\t1\n", "is not text in UTF-8"),
        ("train.tsv", TABLE.encode("utf-16"), "is not text in UTF-8"),
        ("train.tsv", "fine\t1\nd\0ull\t0\n", "train.tsv, line 2: it has a NUL byte"),
        (
            "train.tsv",
            "gj04\tno\tfine\n",
            "train.tsv has 3 columns, and none is named sentence or text: give text_column",
        ),
        ("train.csv", "3,a title,a text\n2,one,two\n", "train.csv has 3 columns, and none is named sentence or text"),
        (
            "train.csv",
            "text,label,text\nfine,1,a\n",
            "train.csv has the column 'text' more than once; it has: text, la",
        ),
        ("train.csv", "label,text,label\nfine,1,a\n", "train.csv has the column 'label' more than once"),
        (
            "train.csv",
            "2,good film\n1,bad film\n2,fine film\n",
            "else give them by number, 0 and 1 if the text comes first",
        ),
        (
            "train.jsonl",
            '{"text": "fine", "label": 1, "text": "no"}\n',
            "line 1 .* 'text' more than once: 'fine' and 'no'",
        ),
        ("train.jsonl", '{"text": {"en": "fine"}, "label": 1}\n', "line 1: column 'text' is {'en': 'fine'}; a text"),
        ("train.csv", 'fine,1\n"dull,0\n', r"train.csv, line 2: unexpected end of data"),
        ("train.jsonl", '{"text": "fine", "label": 1}\n{"text": "dull"}\n', r"line 2: column 'label' is None"),
        ("train.jsonl", '{"text": "fine", "label": 1}\n{"label": 0}\n', r"line 2: column 'text' is None"),
        ("train.jsonl", '{"text": "fine", "label": 1.5}\n', r"line 1: column 'label' is 1.5; a text or a whole"),
        ("train.jsonl", '{"text": "fine", "label": true}\n', "line 1: column 'label' is True"),
        ("train.jsonl", '{"text": "fine", "label": 1}\n{"text"\n', "line 2 is not JSON"),
        ("train.jsonl", "[1]\n", "line 1: it is a list; an object is needed"),
        ("train.jsonl", '{"review": "fine", "label": 1}\n', "has no text_column 'sentence'; it has: review, label"),
    ],
)
def test_damaged_files_are_named_with_the_line(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        read_texts(tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("review", "label"), "has no text_column 'review'"),
        (("sentence", 1), "give both by name"),
        ((0, 2), "has 2 columns; label_column=2 needs more"),
        ((-1, 1), "text_column=-1 needs more"),
    ],
)
def test_columns_that_are_not_there_are_refused(
    tmp_path: Path, columns: tuple[str | int, str | int], message: str
) -> None:
    (tmp_path / "train.tsv").write_text("sentence\tlabel\n" + TABLE)
    with pytest.raises(ValueError, match=message):
        read_texts(tmp_path, *columns)


def test_folders_without_one_training_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        read_texts(tmp_path / "none")
    (tmp_path / "dev.tsv").write_text(TABLE)
    with pytest.raises(FileNotFoundError, match=r"has none of train\.tsv, train\.csv, train\.jsonl"):
        read_texts(tmp_path)
    for name in ("train.tsv", "train.csv"):
        (tmp_path / name).write_text(TABLE)
    with pytest.raises(ValueError, match=r"has train\.tsv and train\.csv; one of them is needed"):
        read_texts(tmp_path)


WARNED = "name as text_column the one to be read, and join texts that belong together in one column$"


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("train.tsv", "question\tsentence\tlabel\nWho?\tfine\t1\nWhy?\tdull\t0\n", "the column question is"),
        ("train.csv", "text,title,label,by\nfine,,1,Ann\ndull,A,0,\n", "the columns by, title are"),
        (
            "train.jsonl",
            '{"text": "a", "label": 1}\n{"text": "b", "label": 0, "pair": ["c"]}\n',
            "the column pair is",
        ),
    ],
)
def test_columns_of_words_that_are_not_read_are_named_unless_the_one_to_be_read_is(
    tmp_path: Path, name: str, content: str, named: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.warns(UserWarning, match=rf"{name}: {named} not read; {WARNED}"):
        read_texts(tmp_path)
    read_texts(tmp_path, "sentence" if "sentence" in content else "text")


def test_numbers_beside_text_and_label_are_nothing_to_be_read(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("idx\tsentence\tlabel\tday\n1\tfine\t1\t2020-01-02\n2\tdull\t0\t\n")
    (tmp_path / "dev.jsonl").write_text('{"sentence": "fine", "label": 1, "idx": 3, "score": 0.5, "by": null}\n')
    read_texts(tmp_path)


def test_what_looks_like_a_split_of_which_there_is_none_is_named(tmp_path: Path) -> None:
    for name in ("train.tsv", "test.tsv"):
        (tmp_path / name).write_text(TABLE)
    for name in ("developers.txt", "train_more.tsv", "test.json", "eval.py", "notes.csv"):
        (tmp_path / name).touch()
    read_texts(tmp_path)
    for name in ("dev_matched.tsv", "Eval.jsonl"):
        (tmp_path / name).touch()
    with pytest.warns(UserWarning, match="no validation set is found, and Eval.jsonl, dev_matched.tsv are not read; "):
        read_texts(tmp_path)


def test_fields_of_tab_separated_values_that_look_quoted_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text('fine\t1\n"he said ""no"""\t0\n"no"\t0\n"a ""b"" c"\t1\n')
    with pytest.warns(UserWarning, match=r"tsv, line 2: a field is quoted as in \.csv .*there are 2 such lines$"):
        train = read_texts(tmp_path)["train"]
    assert train.texts[1:3] == ['"he said ""no"""', '"no"']
