"""What may be known to be wrong with a training sample, in words for tables and pictures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A problem that samples may have.

    Attributes:
        words: what such a sample is.
        short: a head for a narrow column.
        meaning: of the share of such samples, a sentence.
    """

    words: str
    short: str
    meaning: str


PROBLEMS = {
    "mislabelled": Problem("mislabelled", "wrong", "Share of the kept samples whose label is wrong."),
    "duplicated": Problem("duplicated", "copies", "Share of the kept samples that are copies of another one."),
    "off_target": Problem("off-target", "off", "Share of the kept samples that come from elsewhere."),
    "corrupted": Problem("corrupted", "corrupt", "Share of the kept samples whose input is corrupted."),
}


def find_problem(name: str) -> Problem:
    """The problem of a name, which may be one that only a custom regime knows."""
    return PROBLEMS.get(name) or Problem(name, name, f"Share of the kept samples that are known as {name}.")
