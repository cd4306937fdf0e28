import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from data_select_gym.ledger import Ledger
from data_select_gym.tasks.data import Stored, labels_of, split
from data_select_gym.tasks.images.image_files import ImageFiles, read_image, square_of
from data_select_gym.tasks.sources import Loading, open_source

from .written_images import draw


def files(folder: Path, names: list[str], size: int = 8) -> ImageFiles:
    joined = "".join(f"{name}\0" for name in names).encode()
    return ImageFiles.of(str(folder), size, joined, torch.arange(len(names)))


def grey(values: list[list[int]]) -> Image.Image:
    return Image.fromarray(np.array(values, dtype=np.uint8))


def batches(dataset: ImageFiles, workers: int) -> list[tuple[Tensor, Tensor]]:
    source = open_source(dataset, torch.device("cpu"), Loading(workers=workers))
    return list(source.batches([torch.arange(len(dataset))]))


def test_a_sample_is_its_image_and_its_label(tmp_path: Path) -> None:
    draw(2, 0, (8, 8)).save(tmp_path / "two words.png")
    draw(1, 1, (8, 8)).save(tmp_path / "größe.png")
    dataset = files(tmp_path, ["two words.png", "größe.png"])
    assert len(dataset) == 2
    for number in range(2):
        image, label = dataset[number]
        assert image.dtype == torch.uint8 and label == number
        assert torch.equal(image, torch.from_numpy(np.array(draw(2 - number, number, (8, 8)))).permute(2, 0, 1))


def test_rows_and_labels_are_taken_without_opening_a_file(tmp_path: Path) -> None:
    dataset = files(tmp_path, ["a", "bcd", "ef", ""])
    assert isinstance(dataset, Stored)
    some = dataset.rows(torch.tensor([2, 0, 2]))
    assert [Path(some.path(number)).name for number in range(3)] == ["ef", "a", "ef"]
    assert some.targets.tolist() == [2, 0, 2]
    other = some.relabelled(torch.tensor([7, 8, 9]))
    assert labels_of(other).tolist() == [7, 8, 9]
    assert other.path(1) == some.path(1) == str(tmp_path / "a")
    assert some.targets.tolist() == [2, 0, 2]
    rest, part = split(dataset, 0.5)
    assert isinstance(rest, ImageFiles) and isinstance(part, ImageFiles)
    assert sorted([*rest.targets.tolist(), *part.targets.tolist()]) == [0, 1, 2, 3]


def test_a_sample_takes_the_stated_bytes_and_no_object(tmp_path: Path) -> None:
    names = [f"n{number % 1000:08}/n{number % 1000:08}_{number:05}.JPEG" for number in range(20_000)]
    dataset = files(tmp_path, names)
    stated = 17 + len(names[0])
    assert len(names[0]) == 30
    assert len(pickle.dumps(dataset)) / len(names) == pytest.approx(stated, abs=0.2)
    parts = split(dataset, 0.04)
    assert all(isinstance(part, ImageFiles) and part.names is dataset.names for part in parts)
    ledger = Ledger(len(names))
    columns = [*ledger.columns.values(), ledger.previous_loss, ledger.visits, ledger.last_visit]
    assert sum(column.nbytes for column in columns) / len(names) == 33


def test_the_middle_square_is_taken() -> None:
    wide, tall = [[9, 1, 2, 9], [9, 3, 4, 9]], [[9, 9], [1, 2], [3, 4], [9, 9]]
    for values in (wide, tall):
        assert square_of(grey(values), 2).tolist() == [[[1, 2], [3, 4]]] * 3


def test_all_pixels_count_where_an_image_is_made_smaller() -> None:
    board = (np.add.outer(np.arange(80), np.arange(80)) % 2) * 200
    assert (square_of(grey(board.tolist()), 4).int() - 100).abs().max() <= 2


def test_a_small_image_is_made_larger() -> None:
    assert square_of(grey([[7]]), 3).tolist() == [[[7] * 3] * 3] * 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("image.tiff" if mode == "CMYK" else "image.png")
    source = Image.new("I;16", (12, 9)) if mode == "I;16" else draw(0, 0, (12, 9)).convert(mode)
    source.save(path)
    assert read_image(str(path), 8).shape == (3, 8, 8)


def test_transparent_entries_of_a_palette_are_read_without_a_warning(tmp_path: Path) -> None:
    image = draw(0, 0).convert("P")
    image.save(tmp_path / "image.png", transparency=bytes(range(256)))
    assert read_image(str(tmp_path / "image.png"), 8).shape == (3, 8, 8)


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(600), np.arange(800))[:, :, None] * [0.1, 0.15, 0.05]
    image = Image.fromarray(smooth.astype(np.uint8))
    image.save(tmp_path / "image.jpg", quality=95)
    with Image.open(tmp_path / "image.jpg") as stored:
        square = square_of(stored, 64)
        assert stored.size == (100, 75)
    assert (square.int() - square_of(image, 64).int()).abs().max() <= 3


@pytest.mark.parametrize(("damage", "workers"), [("truncated", 0), ("truncated", 1), ("no image", 0), ("empty", 0)])
def test_a_damaged_image_is_named(tmp_path: Path, damage: str, workers: int) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    draw(0, 0, (64, 64)).save(good)
    content = good.read_bytes()
    bad.write_bytes({"truncated": content[: len(content) // 2], "no image": b"GIF? no", "empty": b""}[damage])
    assert len(batches(files(tmp_path, ["good.jpg"]), workers)) == 1
    with pytest.raises(ValueError, match=r"bad\.jpg: the image cannot be decoded: "):
        batches(files(tmp_path, ["good.jpg", "bad.jpg"]), workers)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg"):
        files(tmp_path, ["gone.jpg"])[0]
