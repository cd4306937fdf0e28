import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from data_select_gym.tasks import Task, make_task
from data_select_gym.tasks.data import lengths_of
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.text.text_classification import text_classification
from data_select_gym.tasks.text.text_models import TextEncoder, mean_over
from data_select_gym.training import RunConfig, TrainingRun

from .written_texts import draw_texts, write_texts


def trained(task: Task) -> TrainingRun:
    run = TrainingRun(task, RunConfig(device="cpu"), seed=0)
    run.warm_up()
    while not run.done:
        run.step(torch.ones(len(run.pool), dtype=torch.bool))
    return run


def first_batch(task: Task, rows: int = 4) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    train: Any = task.train
    inputs, targets = train.batch(torch.arange(rows))
    return inputs, targets


@pytest.mark.slow
def test_encoder_learns_which_words_tell_the_classes(tmp_path: Path) -> None:
    task = text_classification(data_dir=write_texts(tmp_path, train=400, dev=40, test=100), batch_size=16, epochs=6)
    run = trained(task)
    assert run.evaluations[-1].test["accuracy"] > 0.95
    assert run.evaluations[-1].validation["accuracy"] > 0.9
    assert run.quality == run.evaluations[-1].test["accuracy"]


def test_a_batch_is_as_wide_as_its_longest_text(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.tsv").write_text("a film\t0\na film it is\t1\nit is a film\t0\nit\t1\n")
    train: Any = text_classification(data_dir=tmp_path).train
    assert train.lengths.tolist() == [2, 4, 4, 1]
    assert lengths_of(train) is train.lengths
    inputs, targets = train.batch(torch.tensor([1, 0]))  # a is word 2, film 3, is 4 and it 5
    assert inputs["input_ids"].tolist() == [[2, 3, 5, 4], [2, 3, 0, 0]]
    assert inputs["attention_mask"].tolist() == [[True] * 4, [True, True, False, False]]
    assert targets.tolist() == [1, 0]
    assert train.batch(torch.tensor([3]))[0]["input_ids"].tolist() == [[5]]
    single, label = train.rows(torch.tensor([3, 0]))[1]
    assert (single["input_ids"].tolist(), single["attention_mask"].tolist(), label) == ([2, 3], [True, True], 0)


def test_what_a_text_is_padded_with_changes_nothing() -> None:
    torch.manual_seed(0)
    model = TextEncoder(words=10, positions=8, classes=3).eval()
    tokens = torch.tensor([[3, 4, 5]])
    wide = torch.tensor([[3, 4, 5, 0, 0], [6, 7, 8, 9, 2]])
    alone = model({"input_ids": tokens, "attention_mask": torch.ones_like(tokens, dtype=torch.bool)})
    there = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    assert torch.allclose(model({"input_ids": wide, "attention_mask": there})[:1], alone, atol=1e-6)


def test_mean_is_over_the_places_of_the_mask() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]]])
    assert mean_over(states, torch.tensor([[True, True, False]])).tolist() == [[2.0, 4.0]]


def test_words_are_hidden_in_training_alone() -> None:
    torch.manual_seed(0)
    model = TextEncoder(words=10, positions=200, classes=2)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    tokens = torch.full((1, 200), 3)
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens, dtype=torch.bool)}
    assert not torch.equal(model(inputs), model(inputs))
    assert torch.equal(model.eval()(inputs), model(inputs))
    assert (tokens == 3).all()


@pytest.mark.parametrize(
    ("files", "sizes"),
    [
        ({"train": 40, "dev": 10, "test": 20}, (40, 10, 20)),
        ({"train": 40, "test": 20}, (36, 4, 20)),
        ({"train": 40, "dev": 10}, (36, 4, 10)),
        ({"train": 40}, (36, 4, None)),
    ],
)
def test_validation_is_split_off_unless_there_is_one_beside_the_reported_set(
    tmp_path: Path, files: dict[str, int], sizes: tuple[int, int, int | None]
) -> None:
    task = text_classification(data_dir=write_texts(tmp_path, **files))
    sets: list[Any] = [task.train, task.validation, task.test]
    assert tuple(None if each is None else len(each) for each in sets) == sizes


def test_a_test_set_without_labels_is_left_out_with_a_warning(tmp_path: Path) -> None:
    write_texts(tmp_path, train=40, dev=10)
    (tmp_path / "test.tsv").write_text("index\tsentence\n0\tfine\n")
    with pytest.warns(UserWarning, match=r"test\.tsv has no labels, so it is not used"):
        task = text_classification(data_dir=tmp_path)
    assert task.test is not None
    assert len(labels_of(task.test)) == 10


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["b", "a", "b", "a"], [1, 0, 1, 0]),
        (["10", "9", "9", "10"], [1, 0, 0, 1]),
        (["-1", "x", "-1", "x"], [0, 1] * 2),
        (["1", "-1", "-1", "1"], [1, 0, 0, 1]),
        (["-1", "-2", "-2", "-1"], [1, 0, 0, 1]),
    ],
)
def test_classes_are_numbered_in_their_order(tmp_path: Path, names: list[str], numbers: list[int]) -> None:
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.tsv").write_text("".join(f"a film\t{name}\n" for name in names))
    task = text_classification(data_dir=tmp_path)
    assert labels_of(task.train).tolist() == numbers
    assert task.make_model()(first_batch(task)[0]).shape == (4, 2)


@pytest.mark.parametrize(
    ("others", "none"), [(["0"], "-1"), (["0", "1"], "-1"), (["1", "2"], "-1"), (["0.0", "1.0"], "-1.0")]
)
def test_a_label_that_may_mean_none_is_named_and_counted(tmp_path: Path, others: list[str], none: str) -> None:
    names = [*others, none, *others, none]
    (tmp_path / "train.tsv").write_text("".join(f"a film\t{name}\n" for name in names))
    told = f"the label is {none}, which in many data sets means none; 2 of {len(names)} rows"
    with pytest.raises(ValueError, match=rf"train\.tsv, line {len(others) + 1}: {told}"):
        text_classification(data_dir=tmp_path)


def test_a_test_file_in_which_all_labels_mean_none_is_left_out_with_a_warning(tmp_path: Path) -> None:
    write_texts(tmp_path, train=40, dev=10)
    (tmp_path / "test.tsv").write_text("fine\t-1\ndull\t-1\n")
    with pytest.warns(UserWarning, match=r"test\.tsv has no labels, so it is not used"):
        task = text_classification(data_dir=tmp_path)
    assert task.test is not None and len(labels_of(task.test)) == 10
    (tmp_path / "test.tsv").write_text("fine\t-1\ndull\t1\n")
    with pytest.raises(ValueError, match=r"test\.tsv, line 1: label '-1' is none of the training set's 2: 0, 1"):
        text_classification(data_dir=tmp_path)


def test_labels_that_the_training_set_does_not_have_are_refused(tmp_path: Path) -> None:
    write_texts(tmp_path, train=40)
    (tmp_path / "test.tsv").write_text("fine\t0\n\ndull\t7\n")
    with pytest.raises(ValueError, match=r"test\.tsv, line 3: label '7' is none of the training set's 2: 0, 1"):
        text_classification(data_dir=tmp_path)
    (tmp_path / "train.tsv").write_text("a film\t3\na film\t3\n")
    with pytest.raises(ValueError, match=r"train\.tsv has the one label '3'; at least two"):
        text_classification(data_dir=tmp_path)


def test_longer_texts_are_cut_and_counted(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("a b c d e\t0\na b c d\t1\na b c\t0\na b\t1\n" * 5)
    (tmp_path / "test.tsv").write_text("a b c d e\t0\na b c d\t1\n")
    with pytest.warns(UserWarning) as caught:
        task = text_classification(data_dir=tmp_path, max_length=3)
    assert [str(warning.message).partition(": ")[2] for warning in caught] == [
        "10 of 20 texts are cut after max_length=3 tokens",
        "2 of 2 texts are cut after max_length=3 tokens",
    ]
    train: Any = task.train
    assert int(train.lengths.max()) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text_classification(data_dir=tmp_path, max_length=5)


def test_labels_may_be_made_noisy(tmp_path: Path) -> None:
    task = make_task("text_classification", data_dir=write_texts(tmp_path, train=40, dev=10), label_noise=0.25)
    assert task.mislabelled is not None
    assert int(task.mislabelled.sum()) == 9
    assert labels_of(task.train).tolist() == first_batch(task, 36)[1].tolist()


def test_files_are_read_in_their_order(tmp_path: Path) -> None:
    write_texts(tmp_path, train=40, dev=10, test=20)
    task = text_classification(data_dir=tmp_path)
    assert labels_of(task.train).tolist() == [label for _, label in draw_texts(40, seed=0)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_dir": None}, "data_dir=None and dataset=None: exactly one of them is needed"),
        ({"dataset": "some"}, "and dataset='some': exactly one of them is needed"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"max_length": 0}, "max_length=0"),
        ({"learning_rate": 0}, "learning_rate=0 is not a finite number above 0"),
        ({"precision": "half"}, "precision='half'"),
    ],
)
def test_values_out_of_range_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        text_classification(**({"data_dir": write_texts(tmp_path, train=20)} | options))


@pytest.mark.parametrize(
    ("options", "library"), [({"model": "some/name"}, "transformers"), ({"dataset": "some"}, "datasets")]
)
def test_missing_libraries_are_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], library: str
) -> None:
    data = {} if "dataset" in options else {"data_dir": write_texts(tmp_path, train=20)}
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"needs {library}: pip install 'data-select-gym\[{library}\]'"):
        text_classification(**data, **options)


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (("good", "bad", "Good"), "line 1: labels 'Good' and 'good' are two classes; if they mean the same"),
        (("very  good", "bad", "very good"), "line 3: labels 'very  good' and 'very good' are two classes"),
        (("1", "0", "1.0"), "line 3: labels '1' and '1.0' are two classes"),
        (("1", "0", "01"), "line 3: labels '1' and '01' are two classes"),
    ],
)
def test_classes_that_are_spelled_almost_alike_are_told_of(tmp_path: Path, labels: tuple[str, ...], named: str) -> None:
    rows = [("a film", labels[0]), ("a day", labels[1]), ("a film", labels[2]), ("a day", labels[0])] * 3
    (tmp_path / "train.tsv").write_text("".join(f"{text}\t{label}\n" for text, label in rows))
    with pytest.warns(UserWarning, match=rf"train\.tsv, {named}"):
        text_classification(data_dir=tmp_path, max_length=4)
