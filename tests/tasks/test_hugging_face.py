import io
import pickle
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value
from PIL import Image as Pillow
from torch import Tensor

from data_select_gym.tasks import hugging_face
from data_select_gym.tasks.images.image_files import square_of
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.loaders import make_loader
from data_select_gym.tasks.text.text_classification import text_classification

TEXTS = {"sentence": ["a fine film", "a dull film", "it is fine"], "label": [1, 0, 1]}


def write(folder: Path, **splits: dict[str, list[Any]]) -> str:
    DatasetDict({name: Dataset.from_dict(columns) for name, columns in splits.items()}).save_to_disk(folder)
    return str(folder)


def png(value: int) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(np.full((4, 4, 3), value, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def write_images(folder: Path, **splits: tuple[list[bytes], list[int]]) -> str:
    kind = Features({"image": Image(), "label": ClassLabel(names=["cat", "dog", "owl"])})
    DatasetDict(
        {
            name: Dataset.from_dict(
                {"image": [{"bytes": image, "path": None} for image in images], "label": labels}, features=kind
            )
            for name, (images, labels) in splits.items()
        }
    ).save_to_disk(folder)
    return str(folder)


def decode(image: Pillow.Image, opened: list[int] | None = None) -> Tensor:
    pixels = torch.from_numpy(np.array(image))
    if opened is not None:
        opened.append(int(pixels[0, 0, 0]))
    return pixels.permute(2, 0, 1)


def test_texts_of_a_saved_data_set_are_read_by_split(tmp_path: Path) -> None:
    name = write(tmp_path / "saved", train=TEXTS, valid={"sentence": ["dull"], "label": [0]}, other={"x": [1]})
    splits = hugging_face.texts(name)
    assert [*splits] == ["train", "validation"]
    assert splits["train"].texts == TEXTS["sentence"]
    assert splits["train"].labels.values == ["1", "0", "1"]
    assert splits["validation"].labels.place(0) == f"dataset={name!r}, split 'validation', row 0"


def test_columns_are_named_and_a_data_set_without_splits_is_for_training(tmp_path: Path) -> None:
    Dataset.from_dict({"review": ["fine", "dull"], "mood": ["good", "bad"]}).save_to_disk(tmp_path / "saved")
    splits = hugging_face.texts(str(tmp_path / "saved"), text_column="review", label_column="mood")
    assert (splits["train"].texts, splits["train"].labels.values) == (["fine", "dull"], ["good", "bad"])
    with pytest.raises(ValueError, match=r"split 'train' has no text_column 'sentence'; it has: review, mood"):
        hugging_face.texts(str(tmp_path / "saved"))
    with pytest.raises(ValueError, match=r"split 'train' has no label_column 'label'; it has: review, mood"):
        text_classification(dataset=str(tmp_path / "saved"), text_column="review")


def test_columns_and_splits_that_are_not_read_are_named(tmp_path: Path) -> None:
    pairs = TEXTS | {"question": ["Who?", "Why?", ""], "idx": [1, 2, 3], "day": ["1", "2", "3"]}
    name = write(tmp_path / "pairs", train=pairs, test=TEXTS)
    with pytest.warns(UserWarning, match=r"split 'train': the column question is not read; name as text_column"):
        hugging_face.texts(name)
    hugging_face.texts(name, text_column="sentence")
    name = write(tmp_path / "parts", train=TEXTS, validation_matched=TEXTS, unsupervised=TEXTS)
    with pytest.warns(UserWarning, match=r"no validation set is found, and validation_matched is not read; splits"):
        hugging_face.texts(name)


def test_labels_are_read_without_blanks_around_them(tmp_path: Path) -> None:
    name = write(tmp_path / "saved", train={"text": ["a", "b", "c"], "label": ["good", "good ", "bad"]})
    assert hugging_face.texts(name)["train"].labels.values == ["good", "good", "bad"]
    name = write(tmp_path / "blank", train={"text": ["a", "b"], "label": ["good", " "]})
    with pytest.raises(ValueError, match=r"row 1: column 'label' is ' '; a text or a whole number is needed"):
        hugging_face.texts(name)


def test_a_folder_of_files_may_be_read_if_none_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "train.csv").write_text("text,label\nfine,1\ndull,0\n")
    splits = hugging_face.texts(str(tmp_path / "files"))
    assert (splits["train"].texts, splits["train"].labels.values) == (["fine", "dull"], ["1", "0"])
    (tmp_path / "files" / "test.csv").write_text("text,label\n")
    with pytest.raises(ValueError, match="files' cannot be opened"):
        hugging_face.texts(str(tmp_path / "files"))


def test_a_task_trains_on_a_data_set_whose_test_labels_are_kept_secret(tmp_path: Path) -> None:
    secret = {"sentence": ["it is"], "label": [-1]}
    name = write(tmp_path / "saved", train=TEXTS, validation=TEXTS, test=secret)
    many = write(tmp_path / "many", train={key: rows * 10 for key, rows in TEXTS.items()}, test=TEXTS)
    assert labels_of(text_classification(dataset=many).train).shape == (27,)
    with pytest.warns(UserWarning, match="split 'test' has no labels, so it is not used"), pytest.raises(ValueError):
        text_classification(dataset=name)  # three samples are too few to split a tenth off


def write_classes(folder: Path, **splits: list[int]) -> str:
    """Numbered texts, with labels in a column of ``ClassLabel``."""
    kind = Features({"sentence": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    rows = {
        name: {"sentence": [f"a film {row}" for row in range(len(labels))], "label": labels}
        for name, labels in splits.items()
    }
    DatasetDict({name: Dataset.from_dict(each, features=kind) for name, each in rows.items()}).save_to_disk(folder)
    return str(folder)


def test_texts_without_a_class_are_left_out_and_counted(tmp_path: Path) -> None:
    name = write_classes(tmp_path / "saved", train=[-1, 1, 0, -1, 1], validation=[0, -1])
    with pytest.warns(UserWarning) as caught:
        splits = hugging_face.texts(name)
    assert splits["train"].texts == ["a film 1", "a film 2", "a film 4"]
    assert splits["train"].labels.values == ["1", "0", "1"]
    assert splits["train"].labels.place(2).endswith("split 'train', row 4")
    assert splits["validation"].texts == ["a film 0"]
    assert [str(warning.message).partition(", split ")[2] for warning in caught] == [
        "'train': 2 of 5 rows have the label -1, which means none, and are left out",
        "'validation': 1 of 2 rows have the label -1, which means none, and are left out",
    ]


def test_a_set_without_any_class_has_no_labels(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="split 'train' has no labels"):
        text_classification(dataset=write_classes(tmp_path / "train", train=[-1, -1]))
    with pytest.raises(ValueError, match="split 'validation' has no labels"):
        text_classification(dataset=write_classes(tmp_path / "validation", train=[0, 1], validation=[-1, -1]))
    with pytest.warns(UserWarning, match="split 'test' has no labels, so it is not used"):
        text_classification(dataset=write_classes(tmp_path / "test", train=[0, 1] * 5, validation=[1], test=[-1, -1]))


def test_images_without_a_class_are_left_out_and_counted(tmp_path: Path) -> None:
    images = [png(value) for value in (10, 20, 30, 40)]
    name = write_images(tmp_path / "saved", train=(images, [2, -1, 0, 2]), test=(images[:2], [-1, 0]))
    with pytest.warns(UserWarning, match=r"split '\w+': 1 of \d rows have the label -1, which means none"):
        splits = hugging_face.images(name, decode=decode)
    assert labels_of(splits["train"]).tolist() == [1, 0, 1]
    assert [int(splits["train"][row][0].max()) for row in range(3)] == [10, 30, 40]
    assert (len(splits["test"]), int(splits["test"][0][0].max()), splits["test"][0][1]) == (1, 20, 0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sentence": ["fine", ""], "label": [1, 0]}, r"row 1: column 'sentence' is ''; a text is needed"),
        ({"sentence": ["fine", None], "label": [1, 0]}, r"row 1: column 'sentence' is None"),
        ({"sentence": ["fine", "dull"], "label": [1, None]}, r"row 1: column 'label' is None"),
        ({"sentence": ["fine", "dull"], "label": [1.0, 0.5]}, r"row 0: column 'label' is 1.0; a text or a whole"),
    ],
)
def test_rows_without_text_or_label_are_named(tmp_path: Path, columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hugging_face.texts(write(tmp_path / "saved", train=columns))


def test_data_sets_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dataset='no/such-data:part' cannot be opened"):
        hugging_face.open_dataset("no/such-data:part")
    with pytest.raises(ValueError, match="has no split 'train'; it has: other"):
        hugging_face.open_dataset(write(tmp_path / "saved", other=TEXTS))


def test_images_are_decoded_only_when_their_sample_is_asked_for(tmp_path: Path) -> None:
    name = write_images(
        tmp_path / "saved", train=([png(value) for value in (10, 20, 30, 40)], [2, 0, 1, 0]), test=([png(50)], [1])
    )
    opened: list[int] = []
    splits = hugging_face.images(name, decode=partial(decode, opened=opened))
    train: Any = splits["train"]
    assert [*splits] == ["train", "test"]
    assert labels_of(train).tolist() == [2, 0, 1, 0]
    assert opened == []
    some = train.rows(torch.tensor([3, 0]))
    image, label = some[0]
    assert (image.shape, image.dtype, int(image.max()), label) == ((3, 4, 4), torch.uint8, 40, 0)
    assert opened == [40]
    assert labels_of(some).tolist() == [0, 2]
    other = train.relabelled(torch.tensor([1, 1, 1, 1]))
    assert other[2][1] == 1
    (batch,) = make_loader(some, torch.device("cpu")).batches([torch.tensor([1, 0])])
    assert batch[0][:, 0, 0, 0].tolist() == [10, 40]
    assert batch[1].tolist() == [2, 0]
    assert pickle.loads(pickle.dumps(hugging_face.images(name, decode=decode)["test"]))[0][0].max() == 50


def test_grey_of_more_than_eight_bits_is_read_as_from_files(tmp_path: Path) -> None:
    kind = Features({"image": Image(), "label": ClassLabel(names=["cat", "dog", "owl"])})
    pixels = [np.full((4, 4), 60 * 257, "uint16"), np.full((4, 4), 200 / 255, "float32"), np.full((4, 4), 60, "int32")]
    rows = {"image": pixels, "label": [0, 1, 2]}
    Dataset.from_dict(rows, features=kind).save_to_disk(tmp_path / "saved")
    train = hugging_face.images(str(tmp_path / "saved"), decode=partial(square_of, size=2))["train"]
    assert [int(train[row][0].max()) for row in range(2)] == [60, 200]
    with pytest.raises(ValueError, match=r"split 'train', row 2: the image cannot be decoded: mode I with integers"):
        train[2]


def test_a_damaged_image_is_an_error_that_names_its_row(tmp_path: Path) -> None:
    name = write_images(tmp_path / "saved", train=([png(1), png(2)[:40], b""], [0, 1, 2]))
    train: Any = hugging_face.images(name, decode=decode)["train"].rows(torch.tensor([2, 1, 0]))
    train[2]
    for place, row in ((0, 2), (1, 1)):
        with pytest.raises(ValueError, match=rf"split 'train', row {row}: the image cannot be decoded"):
            train[place]


def test_columns_of_images_are_checked(tmp_path: Path) -> None:
    name = write_images(tmp_path / "saved", train=([png(1), png(2)], [0, 1]))
    for columns, message in (
        ({"image_column": "img"}, "has no image_column 'img'; it has: image, label"),
        ({"image_column": "label"}, "column 'label' is ClassLabel.*; images are needed"),
        ({"label_column": "class"}, "has no label_column 'class'; it has: image, label"),
    ):
        with pytest.raises(ValueError, match=message):
            hugging_face.images(name, decode=decode, **columns)


def test_labels_of_images_may_be_text(tmp_path: Path) -> None:
    kind = Features({"image": Image(), "animal": Value("string")})
    images = [{"bytes": png(value), "path": None} for value in (1, 2, 3)]
    Dataset.from_dict({"image": images, "animal": ["owl", "cat", "owl"]}, features=kind).save_to_disk(
        tmp_path / "saved"
    )
    splits = hugging_face.images(str(tmp_path / "saved"), label_column="animal", decode=decode)
    assert labels_of(splits["train"]).tolist() == [1, 0, 1]


def test_without_the_library_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"needs datasets: pip install 'data-select-gym\[datasets\]'"):
        hugging_face.images("some/name", decode=decode)
