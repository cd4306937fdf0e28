import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD, AdamW

from data_select_gym.tasks import make_task
from data_select_gym.tasks.images.augment import ResizedCrop
from data_select_gym.tasks.images.image_files import ImageFiles
from data_select_gym.tasks.images.image_folder import image_folder

from .written_images import CLASSES, draw, write_imagenet, write_tiny_imagenet

small = partial(image_folder, model="small-cnn", image_size=16, batch_size=8, workers=0)


def optimizer(**options: Any) -> torch.optim.Optimizer:
    return small(**options).recipe.optimizer([torch.nn.Parameter(torch.zeros(1))])


def test_val_is_reported_and_the_validation_set_is_split_off_train(tmp_path: Path) -> None:
    task = small(data_dir=write_imagenet(tmp_path, each=25, val=2))
    assert all(isinstance(part, ImageFiles) for part in (task.train, task.validation, task.test))
    train, validation, test = (set(map(part.path, range(len(part)))) for part in parts(task))
    assert [len(each) for each in (train, validation, test)] == [72, 3, 6]
    assert not train & validation
    assert {Path(path).parts[-3] for path in train | validation} == {"train"}
    assert {Path(path).parts[-3] for path in test} == {"val"}


def test_test_is_reported_and_val_is_for_validation(tmp_path: Path) -> None:
    write_imagenet(tmp_path, each=25, val=2)
    shutil.copytree(tmp_path / "val", tmp_path / "test")
    sets = [{Path(part.path(row)).parts[-3] for row in range(len(part))} for part in parts(small(data_dir=tmp_path))]
    assert sets == [{"train"}, {"val"}, {"test"}]
    shutil.rmtree(tmp_path / "val")
    sets = [{Path(part.path(row)).parts[-3] for row in range(len(part))} for part in parts(small(data_dir=tmp_path))]
    assert sets == [{"train"}, {"train"}, {"test"}]


def parts(task: Any) -> list[Any]:
    return [task.train, task.validation, task.test]


def test_without_val_there_is_no_test_set(tmp_path: Path) -> None:
    assert small(data_dir=write_imagenet(tmp_path, each=9, val=0)).test is None


@pytest.mark.slow
def test_a_model_for_the_classes_is_made_and_the_images_are_of_the_size(tmp_path: Path) -> None:
    task = small(data_dir=str(write_tiny_imagenet(tmp_path, each=9)))
    image, _ = task.train[0]
    assert image.shape == (3, 16, 16)
    assert task.make_model()(image[None]).shape == (1, len(CLASSES))
    assert isinstance(task.recipe.augment, ResizedCrop)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")
def test_options_reach_the_recipe(tmp_path: Path) -> None:
    write_imagenet(tmp_path, each=9, val=0)
    task = small(data_dir=tmp_path, epochs=7, batch_size=128, precision="bfloat16", workers=2)
    assert (task.recipe.epochs, task.recipe.batch_size, task.recipe.precision) == (7, 128, "bfloat16")
    assert task.loading.workers == 2
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert small(data_dir=tmp_path, workers=None).loading.workers == min(8, cores or 1)


def test_the_learning_rate_is_that_of_the_kind_of_model_in_proportion_to_the_batch(tmp_path: Path) -> None:
    write_imagenet(tmp_path, each=9, val=0)
    for options, kind, rate in [
        ({"batch_size": 128}, SGD, 0.05),
        ({"batch_size": 128, "model": "vit"}, AdamW, 0.00025),
        ({"batch_size": 512, "model": "vit", "learning_rate": 0.5}, AdamW, 0.5),
        ({"learning_rate": 3}, SGD, 3),
    ]:
        made = optimizer(data_dir=tmp_path, **options)
        assert type(made) is kind and made.param_groups[0]["lr"] == pytest.approx(rate)


@pytest.mark.parametrize("name", ["validation", "test", "both"])
def test_a_hugging_face_data_set_takes_the_place_of_the_folder(tmp_path: Path, name: str) -> None:
    datasets = pytest.importorskip("datasets")

    def table(count: int) -> Any:
        columns = {
            "photo": [draw(row % 3, row) for row in range(count)],
            "kind": [CLASSES[row % 3] for row in range(count)],
        }
        return datasets.Dataset.from_dict(columns)

    splits = {"train": table(30)} | {split: table(6) for split in ("validation", "test") if name in (split, "both")}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    task = small(dataset=str(tmp_path / "saved"), image_column="photo", label_column="kind")
    sizes = [len(part) for part in parts(task)]
    assert sizes == ([30, 6, 6] if name == "both" else [29, 1, 6])
    image, label = task.test[4]  # type: ignore[index]
    assert image.shape == (3, 16, 16) and label == 1
    assert task.make_model()(image[None]).shape == (1, 3)


def test_labels_are_made_wrong_and_classes_cut_without_opening_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_imagenet(tmp_path, each=25, val=0)
    monkeypatch.setattr("data_select_gym.tasks.images.image_files.read_image", None)
    options = {"data_dir": tmp_path, "model": "small-cnn", "workers": 0}
    task = make_task("image_folder", label_noise=0.25, **options)
    assert isinstance(task.train, ImageFiles)
    assert task.mislabelled is not None and task.mislabelled.sum() == 18
    tailed = make_task("image_folder", imbalance_factor=4, **options)
    assert isinstance(tailed.train, ImageFiles)
    sizes = tailed.train.targets.bincount()
    assert sizes[0] > sizes[2] > 0
