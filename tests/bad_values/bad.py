"""What the tables of bad values are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

NAN, INF = float("nan"), float("inf")

NOT_COUNTS = (0, -1, 2.5, 3.0, NAN, INF, True, "3", [3])
NOT_COUNTS_FROM_0 = (-1, 2.5, 3.0, NAN, INF, True, "3", [3])
NOT_SHARES = (0, -0.1, 1.5, NAN, INF, True, "0.5", [0.5])
NOT_SHARES_FROM_0 = (-0.1, 1.5, NAN, INF, True, "0.5", [0.5])
NOT_POSITIVE = (0, -0.1, NAN, INF, True, "0.5", [0.5])
NOT_FLAGS = (0, 1, "yes", "False", NAN, None)
NOT_CALLABLE = (3, "module:function", [print], True)
NOT_PATHS = (3, 0.5, True, ["folder"])
NOT_NAMED = (3, 0.5, True, "", "other", ["other"])

# What messages say; {name} and {value} are those of the row.
COUNT = "{name}={value} is not a whole number of at least 1"
COUNT_FROM_0 = "{name}={value} is not a whole number of at least 0"
SHARE = "{name}={value} is not a number in (0, 1]"
SHARE_FROM_0 = "{name}={value} is not a number in [0, 1]"
PART = "{name}={value} is not a number in [0, 1)"
POSITIVE = "{name}={value} is not a finite number above 0"
FROM_0 = "{name}={value} is not a number of at least 0"
FLAG = "{name}={value} is not True or False"
CALLABLE = "{name}={value} is a {kind}; something that can be called is needed"
PATH = "{name}={value} is a {kind}; a path is needed"
TEXT = "{name}={value} is a {kind}; a str is needed"
CHOICE = "{name}={value} is not known; known are: "

# From an empty folder to good arguments of what is called.
Good: TypeAlias = Callable[[Path], dict[str, Any]]


@dataclass(frozen=True)
class Bad:
    """Values of one parameter that are refused.

    Attributes:
        of: the function or class that has the parameter.
        name: of the parameter.
        values: that are refused.
        message: what the error says.
        error: its type.
        more: other arguments, without which it would not come to this one.
    """

    of: Callable[..., Any]
    name: str
    values: tuple[Any, ...]
    message: str
    error: type[Exception] = ValueError
    more: dict[str, Any] | None = None

    def said_of(self, value: Any) -> str:
        return self.message.format(name=self.name, value=repr(value)[:100], kind=type(value).__name__)
