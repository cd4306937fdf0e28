"""Damaged images, and images that are far larger than their files."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_select_gym.tasks.images.image_files import FORMATS, MOST_PIXELS, read_image

from ..tasks.written_images import draw
from .damage import damaged, memory_below, read_all


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_image_is_an_error_that_names_it_or_is_read(kind: str, tmp_path: Path, numbers: range) -> None:
    file = io.BytesIO()
    draw(0, 0, (16, 12)).save(file, kind)
    path = tmp_path / "image.jpg"
    with memory_below(900):
        found = read_all(path, damaged(file.getvalue(), numbers), lambda: read_image(str(path), 8))
    assert all(image.shape == (3, 8, 8) for image in found)


def repaired(content: bytes) -> bytes:
    """A PNG with the checksums that its chunks should have, as far as they can be found."""
    at = 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        content = content[:end] + struct.pack(">I", zlib.crc32(content[at + 4 : end])) + content[end + 4 :]
        at = end + 4
    return content


def test_a_damaged_png_with_the_right_checksums_is_an_error_or_is_read(tmp_path: Path, numbers: range) -> None:
    file = io.BytesIO()
    draw(0, 0, (16, 12)).convert("P").save(file, "PNG", transparency=bytes(range(256)), dpi=(72, 72))
    path = tmp_path / "image.png"
    with memory_below(900):
        read_all(path, map(repaired, damaged(file.getvalue(), numbers)), lambda: read_image(str(path), 8))


def png(width: int, height: int, rows: int = 0, *, transparent: bool = False) -> bytes:
    """A PNG of one bit a pixel that says it has so many pixels, and has so many rows of them."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    content = zlib.compress(bytes((width // 8 + 2) * rows), 1)
    header += chunk(b"tRNS", b"\0\0") if transparent else b""
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def webp(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "WEBP", lossless=True)
    content = bytearray(file.getvalue())
    at = content.index(b"VP8L") + 9
    content[at : at + 4] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(content)


BOMBS = {
    "png": png(60_000, 60_000),
    "png with rows": png(60_000, 60_000, 100),
    "png of a gigabyte": png(1 << 31 - 1, 1),
    "a little too large": png(10_000, 10_000, 10_000),
    "gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0;",
    "bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "ppm": b"P6 60000 60000 255\n",
    "webp": webp(16_383, 16_383),
    "jpeg": b"\xff\xd8\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 60_000, 60_000) + b"\x01\x01\x11\x00\xff\xd9",
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", BOMBS)
def test_an_image_with_too_many_pixels_is_refused_before_any_of_them_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(BOMBS[name])
    assert path.stat().st_size < 100_000
    with memory_below(50), pytest.raises(ValueError, match=r"bomb\.png: the image cannot be decoded: "):
        read_image(str(path), 8)


@pytest.mark.slow
def test_the_largest_image_that_is_allowed_takes_a_gigabyte_at_most(tmp_path: Path) -> None:
    height = MOST_PIXELS // 16_384
    (tmp_path / "large.png").write_bytes(png(16_384, height, height, transparent=True))
    with memory_below(1000):
        assert read_image(str(tmp_path / "large.png"), 8).shape == (3, 8, 8)


def test_no_image_is_handed_to_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "image.jpg", "EPS")

    def run(*given: object, **named: object) -> None:
        raise AssertionError(f"{given} was started")

    monkeypatch.setattr("subprocess.Popen", run)
    with pytest.raises(ValueError, match=r"image\.jpg: the image cannot be decoded: cannot identify image file"):
        read_image(str(tmp_path / "image.jpg"), 8)
