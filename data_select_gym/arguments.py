"""Checks of arguments: each error names the argument, its value and what is allowed."""

import ast
import difflib
import importlib
import json
import math
import operator
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

Kind = TypeVar("Kind")


class MissingArgumentError(ValueError):
    """A required argument is missing."""


def check_share(name: str, value: float, *, zero: bool = False) -> float:
    """Return ``value`` as a float in (0, 1], or in [0, 1] if ``zero`` is allowed.

    Raises:
        ValueError: ``value`` is not a finite number in that interval.
    """
    allowed = "in [0, 1]" if zero else "in (0, 1]"
    if not is_number(value) or not (0 <= value <= 1) or (value == 0 and not zero):
        raise ValueError(f"{name}={value!r} is not a number {allowed}")
    return float(value)


def check_part(name: str, value: float) -> float:
    """Return ``value`` as a float in [0, 1).

    Raises:
        ValueError: ``value`` is not a finite number in that interval.
    """
    if not is_number(value) or not (0 <= value < 1):
        raise ValueError(f"{name}={value!r} is not a number in [0, 1)")
    return float(value)


def check_count(name: str, value: int, *, least: int = 1, most: int | None = None) -> int:
    """Return ``value`` as an int of at least ``least`` and at most ``most``.

    Raises:
        ValueError: ``value`` is not a whole number in that range.
    """
    if not is_whole(value) or value < least or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most}"
        raise ValueError(f"{name}={value!r} is not a whole number of at least {least}{upper}")
    return int(value)


def check_positive(name: str, value: float) -> float:
    """Return ``value`` as a float above 0.

    Raises:
        ValueError: ``value`` is not a finite number above 0.
    """
    if not is_number(value) or value <= 0:
        raise ValueError(f"{name}={value!r} is not a finite number above 0")
    return float(value)


def check_least(name: str, value: float, least: float) -> float:
    """Return ``value`` as a float of at least ``least``.

    Raises:
        ValueError: ``value`` is not a finite number in that range.
    """
    if not is_number(value) or value < least:
        raise ValueError(f"{name}={value!r} is not a number of at least {least:g}")
    return float(value)


def check_flag(name: str, value: bool) -> bool:
    """Return ``value`` if it is True or False.

    Raises:
        TypeError: it is something else, such as a string.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r} is not True or False")
    return value


def check_choice(name: str, value: Any, known: Iterable[str]) -> str:
    """Return ``value`` if it is one of the ``known`` names.

    Raises:
        ValueError: it is not; the message lists the known names and suggests a similar one.
    """
    names = list(known)
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"{name}={value!r} is not known; known are: {', '.join(names)}{did_you_mean([value], names)}")
    return value


def did_you_mean(given: Iterable[Any], known: Iterable[str]) -> str:
    """The end of a message that suggests the known names most similar to those ``given``; may be empty."""
    names = {name.casefold(): name for name in reversed(list(known))}
    matches = [difflib.get_close_matches(name.casefold(), names, n=1) for name in given if isinstance(name, str)]
    found = [repr(names[match]) for close in matches for match in close]
    return f"; did you mean {', '.join(dict.fromkeys(found))}?" if found else ""


def unexpected(names: Iterable[str], takes: str, known: Iterable[str] = ()) -> TypeError:
    """The error for unknown arguments.

    It has the words of Python's error, by which other libraries know which argument to leave out.

    Args:
        names: of the arguments.
        takes: says which arguments there are.
        known: names that may have been meant.
    """
    quoted = ", ".join(map(repr, names))
    return TypeError(f"got an unexpected keyword argument {quoted}; {takes}{did_you_mean(names, known)}")


def check_callable(name: str, value: Any) -> Any:
    """Return ``value`` if it can be called.

    Raises:
        TypeError: it cannot.
    """
    if not callable(value):
        raise TypeError(f"{name}={value!r:.100} is a {type(value).__name__}; something that can be called is needed")
    return value


def check_path(name: str, value: str | os.PathLike[str]) -> Path:
    """Return ``value`` as a path, with ``~`` and ``~name`` at the beginning expanded to the home folder.

    Raises:
        TypeError: it is neither a path nor a string.
        ValueError: it is empty, or there is no such home folder.
    """
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name}={value!r:.100} is a {type(value).__name__}; a path is needed")
    if not os.fspath(value):
        raise ValueError(f"{name}={value!r} is empty; a path is needed, '.' for the present folder")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"{name}={os.fspath(value)!r}: there is no such home folder; a folder that is called so is named by its "
            "whole path"
        ) from error


def check_place(name: str, value: str | os.PathLike[str]) -> str:
    """Return ``value`` as a string: a path, expanded as by :func:`check_path`, or an unchanged name of something else.

    Raises:
        TypeError: it is neither a path nor a string.
        ValueError: it is empty, or there is no such home folder.
    """
    path = check_path(name, value)
    place = os.fspath(value)
    return str(path) if place.startswith("~") else place


def check_kind(name: str, value: Kind, kind: type) -> Kind:
    """Return ``value`` if it is of a class.

    Raises:
        TypeError: it is of another.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}={value!r:.100} is a {type(value).__name__}; a {kind.__name__} is needed")
    return value


def kind_check(name: str, kind: type[Kind]) -> Callable[[Any], Kind]:
    """:func:`check_kind` of a name and a class that are known beforehand."""

    def check(value: Any) -> Kind:
        checked: Kind = check_kind(name, value, kind)
        return checked

    return check


def check_one_given(told: str, /, **values: Any) -> None:
    """Check that exactly one of several arguments is not None.

    Args:
        told: how to get one, for the message if none is given.
        values: the arguments by name.

    Raises:
        MissingArgumentError: all are None.
        ValueError: more than one is not.
    """
    given = [value for value in values.values() if value is not None]
    if len(given) != 1:
        named = " and ".join(f"{name}={value!r}" for name, value in values.items())
        message = f"{named}: exactly one of them is needed"
        raise ValueError(message) if given else MissingArgumentError(f"{message}. {told}")


def is_whole(value: Any) -> bool:
    """Whether ``value`` is of an integer type and not a bool."""
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether ``value`` is a finite real number and not a bool."""
    if isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False


def read_value(text: str) -> Any:
    """Parse a value written in JSON or Python; the text itself if it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return text


def import_named(name: str, path: str) -> Any:
    """The object that ``"module:object"`` names.

    Raises:
        ValueError: the path is not of that form, or there is no such module or object.
    """
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise ValueError(f"{name}={path!r} is not of the form 'module:object'")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(f"{name}={path!r} cannot be imported: {error}") from error
