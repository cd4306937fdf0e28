import os
from pathlib import Path

import pytest
import torch

from data_select_gym.tasks.images.image_files import ImageFiles
from data_select_gym.tasks.images.image_layouts import read_image_folder

from .written_images import CLASSES, draw, write_imagenet, write_tiny_imagenet


def within(dataset: ImageFiles, folder: Path) -> list[tuple[str, int]]:
    paths = [os.path.relpath(dataset.path(number), folder) for number in range(len(dataset))]
    return list(zip(paths, dataset.targets.tolist(), strict=True))


def test_imagenet_has_a_folder_for_each_class(tmp_path: Path) -> None:
    write_imagenet(tmp_path, each=3, val=1)
    train, val, _, classes = read_image_folder(tmp_path, 8)
    assert classes == CLASSES
    assert within(train, tmp_path) == [
        (f"train/{name}/{name}_{number}.JPEG", label) for label, name in enumerate(CLASSES) for number in range(3)
    ]
    assert val is not None
    assert within(val, tmp_path) == [(f"val/{name}/{name}_0.JPEG", label) for label, name in enumerate(CLASSES)]
    assert train[0][0].shape == (3, 8, 8)


def test_tiny_imagenet_has_the_labels_of_val_in_a_file(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path, each=2, val=5)
    train, val, _, classes = read_image_folder(tmp_path, 8)
    assert classes == CLASSES
    assert within(train, tmp_path)[:3] == [
        ("train/n01440764/images/n01440764_0.JPEG", 0),
        ("train/n01440764/images/n01440764_1.JPEG", 0),
        ("train/n01443537/images/n01443537_0.JPEG", 1),
    ]
    assert val is not None
    assert within(val, tmp_path) == [(f"val/images/val_{number}.JPEG", number % 3) for number in range(5)]
    assert val[4][0].shape == (3, 8, 8)


def test_extensions_are_in_any_case_and_other_files_and_hidden_ones_are_left_out(tmp_path: Path) -> None:
    write_imagenet(tmp_path, each=1, val=0)
    folder = tmp_path / "train" / CLASSES[0]
    kept = ["A.JPG", "b.jpeg", "c.PNG", "d.WebP", "e.bmp", "f.ppm", "g.TIF", "h.tiff"]
    for name in [*kept, "notes.txt", "jpg", ".i.jpg", ".hidden/j.jpg"]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (tmp_path / "train" / ".git").mkdir()
    train, val, _, classes = read_image_folder(tmp_path, 8)
    assert val is None and classes == CLASSES
    names = [Path(train.path(number)).name for number in range(len(train))]
    assert names == [*kept, *(f"{name}_0.JPEG" for name in CLASSES)]


def test_val_may_have_fewer_classes_and_keeps_their_labels(tmp_path: Path) -> None:
    write_imagenet(tmp_path, each=1, val=2)
    for path in (tmp_path / "val" / CLASSES[0]).iterdir():
        path.unlink()
    (tmp_path / "val" / CLASSES[0]).rmdir()
    _, val, _, _ = read_image_folder(tmp_path, 8)
    assert val is not None
    assert torch.equal(val.targets, torch.tensor([1, 1, 2, 2]))


def test_val_without_labels_is_not_used_and_that_is_said(tmp_path: Path) -> None:
    write_imagenet(tmp_path, each=1, val=0)
    (tmp_path / "val").mkdir()
    draw(0, 0).save(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG")
    with pytest.warns(UserWarning, match=r"val has no class folders and no val_annotations\.txt, so it is not used"):
        assert read_image_folder(tmp_path, 8)[1] is None


def write_test(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / "test" / name).mkdir(parents=True)
        draw(0, number).save(folder / "test" / name / "image.png")


def test_test_has_class_folders_too(tmp_path: Path) -> None:
    write_imagenet(tmp_path, each=1, val=2)
    write_test(tmp_path, CLASSES[2], CLASSES[1])
    sets = read_image_folder(tmp_path, 8)
    assert sets.validation is not None and len(sets.validation) == 6
    assert sets.test is not None
    assert within(sets.test, tmp_path) == [(f"test/{CLASSES[number]}/image.png", number) for number in (1, 2)]
    write_test(tmp_path, "n9")
    with pytest.raises(ValueError, match=rf"test/n9: there is no class 'n9' in {tmp_path}/train"):
        read_image_folder(tmp_path, 8)


@pytest.mark.parametrize("names", [(), ("images",)])
def test_test_without_labels_is_not_used_and_that_is_said(tmp_path: Path, names: tuple[str, ...]) -> None:
    write_tiny_imagenet(tmp_path, each=1)
    (tmp_path / "test").mkdir()
    write_test(tmp_path, *names)
    draw(0, 0).save(tmp_path / "test" / "ILSVRC2012_test_00000001.JPEG")
    with pytest.warns(UserWarning, match=r"test has no folder of a class in .*train, so it is not used"):
        sets = read_image_folder(tmp_path, 8)
    assert sets.test is None and sets.validation is not None


@pytest.mark.parametrize("name", ["valid", "validation", "dev"])
def test_val_may_have_another_name_but_only_one(tmp_path: Path, name: str) -> None:
    write_imagenet(tmp_path, each=1, val=2)
    (tmp_path / "val").rename(tmp_path / name)
    val = read_image_folder(tmp_path, 8).validation
    assert val is not None and len(val) == 6
    (tmp_path / "val").mkdir()
    with pytest.raises(ValueError, match=rf"has .*{name}.*; one of them is needed"):
        read_image_folder(tmp_path, 8)


def test_a_folder_that_looks_like_a_set_and_is_not_read_is_named(tmp_path: Path) -> None:
    write_imagenet(tmp_path, each=1, val=2)
    (tmp_path / "val").rename(tmp_path / "val_set")
    with pytest.warns(UserWarning, match=r"no validation set is found, and val_set is not read; folders that are"):
        assert read_image_folder(tmp_path, 8).validation is None


def test_annotations_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    annotations = write_tiny_imagenet(tmp_path, each=1, val=3) / "val" / "val_annotations.txt"
    annotations.write_text(annotations.read_text(), encoding="utf-8-sig")
    val = read_image_folder(tmp_path, 8).validation
    assert val is not None and len(val) == 3


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data_dir='nowhere' is not a folder"):
        read_image_folder("nowhere", 8)
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path}/train is not a folder"):
        read_image_folder(tmp_path, 8)


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    write_imagenet(tmp_path, each=1, val=1)
    (tmp_path / "val" / CLASSES[1] / f"{CLASSES[1]}_0.JPEG").rename(tmp_path / "val" / CLASSES[1] / "image.txt")
    with pytest.raises(ValueError, match=rf"val/{CLASSES[1]} holds no images"):
        read_image_folder(tmp_path, 8)
    (tmp_path / "train" / "n0").mkdir()
    with pytest.raises(ValueError, match=r"train/n0 holds no images"):
        read_image_folder(tmp_path, 8)


def test_fewer_than_two_classes_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "train" / "only").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"train has 1 class folders; at least two are needed"):
        read_image_folder(tmp_path, 8)


def test_a_class_that_train_lacks_is_named(tmp_path: Path) -> None:
    write_imagenet(tmp_path, each=1, val=1)
    (tmp_path / "val" / CLASSES[2]).rename(tmp_path / "val" / "n9")
    with pytest.raises(ValueError, match=rf"val/n9: there is no class 'n9' in {tmp_path}/train"):
        read_image_folder(tmp_path, 8)


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("val_0.JPEG n01440764", ValueError, r"val_annotations\.txt, line 7: 'val_0\.JPEG n01440764' is not a file"),
        ("val_0.JPEG\tn9\t0", ValueError, r"val_annotations\.txt, line 7: there is no class 'n9' in .*train"),
        ("val_9.JPEG\tn01440764", FileNotFoundError, r"val_9\.JPEG is missing, and line 7 of .*val_annotations\.txt"),
    ],
)
def test_a_wrong_line_of_the_annotations_is_named(
    tmp_path: Path, line: str, kind: type[Exception], message: str
) -> None:
    annotations = write_tiny_imagenet(tmp_path, each=1) / "val" / "val_annotations.txt"
    annotations.write_text(f"{annotations.read_text()}{line}\n")
    with pytest.raises(kind, match=message):
        read_image_folder(tmp_path, 8)


def test_annotations_of_nothing_are_an_error(tmp_path: Path) -> None:
    annotations = write_tiny_imagenet(tmp_path, each=1) / "val" / "val_annotations.txt"
    annotations.write_text("")
    with pytest.raises(ValueError, match=r"val_annotations\.txt names no images"):
        read_image_folder(tmp_path, 8)
