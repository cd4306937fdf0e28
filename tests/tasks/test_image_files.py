import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from data_select_gym.ledger import Ledger
from data_select_gym.tasks.data import split
from data_select_gym.tasks.images.image_files import ImageFiles, read_image, square_of
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.loaders import LoaderConfig, make_loader
from data_select_gym.tasks.protocol import Stored

from .written_images import draw


def files(folder: Path, names: list[str], size: int = 8) -> ImageFiles:
    joined = "".join(f"{name}\0" for name in names).encode()
    return ImageFiles.of(str(folder), size, joined, torch.arange(len(names)))


def grey(values: list[list[int]]) -> Image.Image:
    return Image.fromarray(np.array(values, dtype=np.uint8))


def stored(image: Image.Image, kind: str, **how: Any) -> Image.Image:
    """An image as it comes back from a file."""
    file = io.BytesIO()
    image.save(file, kind, **how)
    return Image.open(io.BytesIO(file.getvalue()))


def deep(value: float, kind: str) -> Image.Image:
    """Pixels of one value."""
    pixels: NDArray[Any] = np.full((4, 4), value, dtype=kind)
    return Image.fromarray(pixels)


def levels(image: Image.Image) -> list[int]:
    """The one colour of an image, as it is read."""
    square = square_of(image, 2)
    assert torch.equal(square, square[:, :1, :1].expand(3, 2, 2))
    return [int(level) for level in square[:, 0, 0]]


def batches(dataset: ImageFiles, workers: int) -> list[tuple[Tensor, Tensor]]:
    source = make_loader(dataset, torch.device("cpu"), LoaderConfig(workers=workers))
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


@pytest.mark.parametrize("value", [0, 60, 200, 255])
def test_grey_of_sixteen_bits_is_scaled_by_its_range(value: int) -> None:
    grey = deep(257 * value, "uint16")
    assert levels(stored(grey, "PNG")) == [value] * 3
    assert levels(stored(grey, "TIFF")) == [value] * 3
    assert levels(deep(257 * value, ">u2")) == [value] * 3
    # A map of 12 bits, which Pillow opens as one of 16 in mode I.
    levels_of_12 = np.full(16, round(value / 255 * 4095), dtype=">u2")
    assert levels(Image.open(io.BytesIO(b"P5 4 4 4095\n" + levels_of_12.tobytes()))) == [value] * 3


def test_a_tiff_in_which_zero_is_white_is_turned_round() -> None:
    assert levels(stored(deep(257 * 60, "uint16"), "TIFF", tiffinfo={262: 0})) == [195] * 3


def test_grey_of_sixteen_bits_is_scaled_where_an_image_is_made_smaller() -> None:
    board = ((np.add.outer(np.arange(80), np.arange(80)) % 2) * 200 * 257).astype(np.uint16)
    assert (square_of(Image.fromarray(board), 4).int() - 100).abs().max() <= 2


@pytest.mark.parametrize(("value", "level"), [(0.0, 0), (60 / 255, 60), (200 / 255, 200), (1.0, 255)])
def test_floating_point_is_read_from_0_to_1(value: float, level: int) -> None:
    assert levels(stored(deep(value, "float32"), "TIFF")) == [level] * 3
    portable = b"Pf\n4 4\n-1.0\n" + np.full(16, value, dtype="<f4").tobytes()
    assert levels(Image.open(io.BytesIO(portable))) == [level] * 3


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (1.5, "float32", r"mode F with numbers from 1\.5 to 1\.5; floating point is read from 0 to 1"),
        (1.000001, "float32", r"mode F with numbers from 1\.00000095 to 1\.00000095; floating point is read"),
        (-0.25, "float32", r"mode F with numbers from -0\.25 to -0\.25; floating point is read from 0 to 1"),
        (200, "float32", r"mode F with numbers from 200 to 200; floating point is read from 0 to 1"),
        (np.nan, "float32", r"mode F with numbers from nan to nan; floating point is read from 0 to 1"),
        (200, "int32", r"mode I with integers from 200 to 200, of which nothing says what is white; integers without"),
    ],
)
def test_pixels_whose_range_is_not_known_are_refused(tmp_path: Path, value: float, kind: str, message: str) -> None:
    deep(value, kind).save(tmp_path / "image.tif")
    with pytest.raises(ValueError, match=rf"image\.tif: the image cannot be decoded: {message}"):
        read_image(str(tmp_path / "image.tif"), 2)


def test_pixels_that_are_not_finite_are_refused() -> None:
    pixels = np.full((4, 4), 0.5, dtype=np.float32)
    pixels[1, 1] = np.nan
    with pytest.raises(ValueError, match=r"mode F with numbers that are not finite"):
        square_of(Image.fromarray(pixels), 2)


def test_integers_with_a_sign_are_refused() -> None:
    """Pillow opens them in the mode of 32 bits, and writes none."""
    file = io.BytesIO()
    deep(257 * 60, "uint16").save(file, "TIFF", tiffinfo={339: 2})
    with pytest.raises(ValueError, match=r"mode I with integers from 15420 to 15420, of which nothing says"):
        square_of(Image.open(file), 2)


COLOUR = (60, 120, 200)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "PNG"), ("RGBA", "PNG"), ("RGBA", "WEBP"), ("CMYK", "TIFF"), ("CMYK", "JPEG"), ("YCbCr", "JPEG")],
)
def test_colours_stay_what_they_are(mode: str, kind: str) -> None:
    how = {"lossless": True} if kind == "WEBP" else {}
    found = levels(stored(Image.new("RGB", (8, 8), COLOUR).convert(mode), kind, **how))
    assert np.abs(np.subtract(found, COLOUR)).max() <= 2 * (kind == "JPEG")


def test_transparency_is_left_out() -> None:
    assert levels(stored(Image.new("RGBA", (4, 4), (*COLOUR, 0)), "PNG")) == [*COLOUR]
    assert levels(stored(Image.new("LA", (4, 4), (60, 0)), "PNG")) == [60] * 3
    assert levels(stored(deep(257 * 60, "uint16"), "PNG", transparency=257 * 60)) == [60] * 3
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, *COLOUR])
    assert levels(stored(palette, "PNG", transparency=b"\xff\x00")) == [*COLOUR]


def test_one_bit_is_black_or_white() -> None:
    for white in (False, True):
        assert levels(stored(Image.new("1", (4, 4), white), "PNG")) == [255 * white] * 3


def test_a_cameras_notes_do_not_turn_an_image() -> None:
    notes = Image.Exif()
    notes[0x0112] = 6  # a quarter turn
    halves = Image.fromarray(np.repeat(np.array([[0, 255]], dtype=np.uint8), 16, axis=1).repeat(32, axis=0))
    square = square_of(stored(halves, "JPEG", exif=notes), 32)
    assert square[:, :, :12].max() < 40 and square[:, :, 20:].min() > 215


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
