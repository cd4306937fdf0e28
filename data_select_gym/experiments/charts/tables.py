"""Tables of the page with a row for each policy: coloured cells, or strips on a common axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HeatRow:
    """A row of a :class:`HeatTable`.

    Attributes:
        policy: its name.
        keep_ratio: the share of candidates that was meant to be kept.
        cells: the text of each, and how strongly it is coloured, in [0, 1].
    """

    policy: str
    keep_ratio: float
    cells: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class HeatTable:
    """A table of coloured cells.

    Attributes:
        heads: of the columns.
        rows: of the policies.
        several_ratios: whether a row names its keep ratio.
        meanings: of the heads, listed below the table; none if empty.
        groups: names of groups of columns, all of one size; none if empty.
    """

    heads: Sequence[str]
    rows: Sequence[HeatRow]
    several_ratios: bool
    meanings: Sequence[str] = ()
    groups: Sequence[str] = ()

    @property
    def group_size(self) -> int:
        """Columns in a group."""
        return len(self.heads) // max(1, len(self.groups))


@dataclass(frozen=True)
class StripRow:
    """A row of a :class:`StripTable`.

    Attributes:
        policy: its name.
        keep_ratio: the share of candidates that was meant to be kept.
        places: where the strip begins, its broad part begins, its mark is, its broad part ends and it ends, of 200.
        cells: text of the columns beside it.
    """

    policy: str
    keep_ratio: float
    places: Sequence[float]
    cells: Sequence[str]


@dataclass(frozen=True)
class StripTable:
    """A table with a strip for each policy.

    Attributes:
        heads: of the columns beside the strips.
        rows: of the policies.
        several_ratios: whether a row names its keep ratio.
    """

    heads: Sequence[str]
    rows: Sequence[StripRow]
    several_ratios: bool
