"""Damage to files, the same each time, and what reading damaged files may lead to."""

from __future__ import annotations

import io
import os
import re
import struct
import time
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

SECONDS = 5.0
HUGE = (0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
MAGIC = (b"PK\x03\x04", b"PAR1", b"\x93NUMPY\x01\x00", b"\x80\x04", b"\x80\x02", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
NESTED = (b"[", b'{"a":', b"(", b'["a",{"b":', b"]", b"\x85")
NOT_UTF8 = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc3")
NUMBERS = (b"9" * 20, b"9" * 400, b"9" * 5000, b"-1", b"1e999", b"-0", b"NaN", b"0x10", b"1_0")


def flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 8))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def extreme(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    changed[random.randrange(len(changed))] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(changed)


def truncate(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content))]


def cut_out(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content))
    return content[:start] + content[start + random.randrange(1, 64) :]


def double(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content))
    end = start + random.choice((1, 8, 64, len(content)))
    return content[:end] * random.choice((1, 1, 3)) + content[start:end] + content[end:]


def insert(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content) + 1)
    added = random.choice((random.randbytes(random.randrange(1, 40)), bytes(random.choice((1, 9, 1000)))))
    return content[:place] + random.choice((added, random.choice(NOT_UTF8))) + content[place:]


def lengthen(content: bytes, random: Random) -> bytes:
    """An enormous number in the place of four or eight bytes."""
    kind = random.choice(("<I", ">I", "<Q", ">Q"))
    most = (1 << 8 * struct.calcsize(kind)) - 1
    place = random.randrange(len(content))
    return content[:place] + struct.pack(kind, random.choice(HUGE) & most) + content[place + struct.calcsize(kind) :]


def other_magic(content: bytes, random: Random) -> bytes:
    magic = random.choice(MAGIC)
    return random.choice((magic + content, magic + content[len(magic) :]))


def nest(content: bytes, random: Random) -> bytes:
    place = random.choice((0, random.randrange(len(content) + 1)))
    return content[:place] + random.choice(NESTED) * random.choice((10, 1000, 100_000)) + content[place:]


def renumber(content: bytes, random: Random) -> bytes:
    """An enormous or odd number in the place of one that is written out."""
    found = list(re.finditer(rb"\d+", content[:20_000]))
    if not found:
        return flip(content, random)
    chosen = random.choice(found)
    return content[: chosen.start()] + random.choice(NUMBERS) + content[chosen.end() :]


DAMAGES = (flip, flip, extreme, truncate, cut_out, double, insert, lengthen, lengthen, other_magic, nest, renumber)


def damaged(content: bytes, numbers: Iterable[int]) -> Iterator[bytes]:
    """The content with each of these damages, which are the same for a number each time."""
    for number in numbers:
        random, changed = Random(number), content
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            changed = random.choice(DAMAGES)(changed or b"\0", random)
        yield changed


def within_zip(content: bytes, name: str, numbers: Iterable[int]) -> Iterator[bytes]:
    """The zip with a damaged part whose name ends so, and with its checksum."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    (chosen,) = (part for part in parts if part.endswith(name))
    for changed in damaged(parts[chosen], numbers):
        yield zipped(parts | {chosen: changed})


def zipped(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return file.getvalue()


def read_all(path: Path, contents: Iterable[bytes], read: Callable[[], Any]) -> list[Any]:
    """What is read of each content of a file that is read at all; an error has to name the file."""
    found = []
    for number, content in enumerate(contents):
        path.unlink(missing_ok=True)  # a file that is written over is flushed to the disk each time
        path.write_bytes(content)
        os.utime(path, ns=(number, number))  # readers may keep what is in a file that has not changed
        began = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found.append(read())
        except (ValueError, OSError) as error:
            assert path.name in str(error), f"damage {number}: {error!r} does not name {path.name}"
        except BaseException as error:
            raise AssertionError(f"damage {number} led to {error!r:.300}") from error
        assert time.monotonic() - began < SECONDS, f"damage {number} took too long"
    return found


@contextmanager
def memory_below(megabytes: float) -> Iterator[None]:
    """Within the block, the process takes no more memory than so much beside what it has."""
    Path("/proc/self/clear_refs").write_text("5")  # the largest so far is now that of this moment
    before = _largest()
    yield
    grown = (_largest() - before) / 1024
    assert grown < megabytes, f"{grown:.0f} MB more; {megabytes} are allowed"


def _largest() -> int:
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])
