import os
from pathlib import Path

import pytest

from data_select_gym.tasks.images.class_folders import find_images

CLASSES = ("cat", "dog")
OWN = {"cat": ["cat/0.png", "cat/in/1.png"], "dog": ["dog/0.png", "dog/in/1.png"]}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "train"
    for paths in OWN.values():
        for path in paths:
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).touch()
    return place


def out(place: Path, *paths: str) -> Path:
    """A folder outside, with an image."""
    folder = place.parent.joinpath("out", *paths)
    folder.mkdir(parents=True)
    (folder / "2.png").touch()
    return folder


@pytest.mark.parametrize("target", [".", "..", "../..", "in", "../dog", "../dog/in", "/"])
def test_a_link_to_what_is_in_a_class_already_or_holds_classes_adds_nothing(place: Path, target: str) -> None:
    (place / "cat" / "link").symlink_to(target)
    (place / "cat" / "in" / "link").symlink_to(target if target.startswith("/") else f"../{target}")
    (place / "dog" / "other").symlink_to(place)
    assert find_images(place, CLASSES) == OWN


def test_links_to_what_lies_elsewhere_are_followed_once(place: Path) -> None:
    folder = out(place)
    inner = out(place, "inner")
    (folder / "back").symlink_to(folder)
    (folder / "train").symlink_to(place)
    (place / "cat" / "b").symlink_to(inner)
    (place / "cat" / "a").symlink_to(folder)
    found = find_images(place, CLASSES)
    assert found["dog"] == OWN["dog"]
    images = [os.path.realpath(place / path) for path in found["cat"] if path not in OWN["cat"]]
    assert sorted(images) == sorted(map(str, (folder / "2.png", inner / "2.png")))


def test_classes_and_images_may_be_links_themselves(place: Path) -> None:
    folder = out(place)
    (place / "owl").symlink_to(folder)
    (place / "dog" / "2.png").symlink_to(folder / "2.png")
    (folder / "up").symlink_to(place / "owl")
    assert find_images(place, (*CLASSES, "owl")) == {
        "cat": OWN["cat"],
        "dog": ["dog/0.png", "dog/2.png", "dog/in/1.png"],
        "owl": ["owl/2.png"],
    }


def test_a_folder_of_two_classes_is_named(place: Path) -> None:
    folder = out(place)
    (place / "kitty").symlink_to("cat")
    with pytest.raises(ValueError, match=r"train/cat and .*train/kitty are one folder; an image has one class"):
        find_images(place, (*CLASSES, "kitty"))
    (place / "kitty").unlink()
    (place / "kitty").symlink_to("dog/in")
    with pytest.raises(ValueError, match=r"train/dog/in and .*train/kitty are one folder"):
        find_images(place, (*CLASSES, "kitty"))
    (place / "cat" / "more").symlink_to(folder)
    (place / "dog" / "more").symlink_to(folder)
    with pytest.raises(ValueError, match=r"train/cat/more and .*train/dog/more are one folder"):
        find_images(place, CLASSES)


def test_many_links_to_folders_above_end_soon(place: Path) -> None:
    for name in CLASSES:
        for number in range(8):
            (place / name / f"up{number}").symlink_to("..")
            (place / name / "in" / f"up{number}").symlink_to("../..")
    assert find_images(place, CLASSES) == OWN
