"""Reads pickles of numeric arrays in dicts and lists, with an interpreter that can make nothing else.

A ``pickle.Unpickler`` can restrict imports, but a damaged file can still make it use far more memory than the file's
size, as fuzzing showed.
"""

from __future__ import annotations

import pickletools
import re
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np

# Instructions that push their argument onto the stack; in Python 2, strings were bytes.
NUMBERS = ("INT", "LONG", "LONG1", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT")
TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
OLD_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING")
VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
IGNORED = ("PROTO", "FRAME")

RECONSTRUCT = "numpy.core.multiarray._reconstruct"
NDARRAY, DTYPE, ENCODE = "numpy.ndarray", "numpy.dtype", "_codecs.encode"
KINDS = re.compile(r"[biuf][1248]")


class Name(NamedTuple):
    """A global that a pickle names."""

    text: str


class Blank:
    """An array that gets its shape and numbers from a later instruction."""


def read_arrays(file: BytesIO) -> Any:
    """Read the next pickle of a file: numeric arrays, and lists, dicts, tuples, texts and numbers.

    This takes memory in proportion to the file and runs none of its code. It allows one instruction for every 256 bytes
    of the file plus twenty thousand, which is enough if nearly all of the file is arrays.

    Raises:
        ValueError: the pickle asks for anything else.
        Exception: of any other kind: it is damaged.
    """
    most = file.getbuffer().nbytes // 256 + 20_000
    machine = _Machine()
    for number, (instruction, given, _) in enumerate(pickletools.genops(file)):
        if number > most:
            raise ValueError(f"it has more than {most} instructions")
        if instruction.name == "STOP":
            break
        machine.obey(instruction.name, given)
    return machine.stack.pop()


class _Machine:
    """The pickle machine: a stack, its marks and the memo."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def obey(self, name: str, given: Any) -> None:
        """Execute one instruction."""
        stack = self.stack
        if name in NUMBERS or name in TEXTS:
            stack.append(given)
        elif name in OLD_TEXTS:
            stack.append(given.encode("latin1"))
        elif name in VALUES:
            stack.append(VALUES[name])
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[given] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[given])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            stack.append(_named(given.replace(" ", ".", 1) if given else ".".join(self.taken(2))))
        elif name == "REDUCE":
            stack.append(_called(*self.taken(2)))
        elif name == "BUILD":
            stack.append(_built(*self.taken(2)))
        elif name not in IGNORED:
            self.collect(name)

    def collect(self, name: str) -> None:
        """Execute an instruction that makes or fills a tuple, list or dict."""
        stack = self.stack
        if name in ("EMPTY_LIST", "EMPTY_DICT"):
            stack.append([] if name == "EMPTY_LIST" else {})
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(self.taken(int(name[-1]))))
        elif name == "TUPLE":
            stack.append(tuple(self.marked()))
        elif name == "LIST":
            stack.append(self.marked())
        elif name == "DICT":
            stack.append(_filled({}, self.marked()))
        elif name in ("APPEND", "APPENDS"):
            items = self.taken(1) if name == "APPEND" else self.marked()
            list.extend(stack[-1], items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self.taken(2) if name == "SETITEM" else self.marked()
            _filled(stack[-1], items)
        else:
            raise ValueError(f"it has the instruction {name}, which arrays do not need")

    def taken(self, count: int) -> list[Any]:
        """Pop ``count`` items."""
        if len(self.stack) < count:
            raise ValueError("it takes more than there is")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def marked(self) -> list[Any]:
        """Pop everything above the last mark."""
        place = self.marks.pop()
        items = self.stack[place:]
        del self.stack[place:]
        return items


def _filled(entries: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    """The dict with alternating keys and values added."""
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Hashing deeply nested tuples could take forever.
        if not isinstance(key, str | bytes | int):
            raise ValueError(f"it has a {type(key).__name__} for a key")
        dict.__setitem__(entries, key, value)
    return entries


def _named(text: str) -> Name:
    text = text.replace("numpy._core.", "numpy.core.")
    if text not in (RECONSTRUCT, NDARRAY, DTYPE, ENCODE):
        raise ValueError(f"it asks for {text[:200]}, which is not allowed")
    return Name(text)


def _called(function: Name, arguments: tuple[Any, ...]) -> Any:
    """The result of calling one of the allowed names."""
    if function.text == RECONSTRUCT:
        return Blank()
    if function.text == DTYPE:
        kind = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]
        if not KINDS.fullmatch(kind):
            raise ValueError(f"it asks for an array of {kind[:50]!r}; arrays of numbers are allowed")
        return np.dtype(kind)
    if function.text == ENCODE:  # how Python 3 writes bytes in an old protocol
        return arguments[0].encode("latin1")
    raise ValueError(f"it calls {function.text}, which is not allowed")


def _built(made: Any, state: tuple[Any, ...]) -> Any:
    """An object made by a call, with its state."""
    if isinstance(made, np.dtype):
        return made.newbyteorder(">") if state[1] in (">", b">") else made
    if not isinstance(made, Blank):
        raise ValueError(f"it fills a {type(made).__name__}; arrays are allowed")
    _, shape, kind, by_columns, numbers = state
    return np.frombuffer(numbers, kind).reshape(shape, order="F" if by_columns else "C")
