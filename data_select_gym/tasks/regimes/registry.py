"""The registry of regimes, and what a regime is."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import Dataset

from data_select_gym.arguments import check_callable, check_kind, check_part, kind_check
from data_select_gym.registry import Registry, calling_module
from data_select_gym.tasks.objectives import Classification
from data_select_gym.tasks.task import Task

# What users write for a regime that is drawn at every reset, so no regime has that name.
RANDOM = "random"
# The group of regimes with wrong labels.
LABELS = "labels"
# What is said of a file that may have been meant to go on behind a "+".
PLUS_IN_PATH = (
    "; '+' separates regimes, so a file with '+' in its path needs another name or the option label_noise_file"
)


@dataclass(frozen=True)
class Circumstances:
    """What a regime may need beside the task and its value.

    Attributes:
        seed: draws which samples change and how.
        same_size: whether the training set must keep its size.
        off_target: a dataset from elsewhere, if one is given.
    """

    seed: int = 0
    same_size: bool = False
    off_target: Dataset[Any] | None = None

    def generator(self, name: str) -> torch.Generator:
        """A random stream of its own for the regime of that name."""
        seeds = np.random.SeedSequence([self.seed, zlib.crc32(name.encode())])
        return torch.Generator().manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> 1))


Change = Callable[[Task, Any, Circumstances], Task]
Changing = TypeVar("Changing", bound=Change)


@dataclass(frozen=True)
class Regime:
    """A kind of data problem.

    Attributes:
        change: from a task, a value and the circumstances to the task with another training set.
        value: what stands behind the colon, such as ``"p"``; empty if nothing does.
        read: from an argument's name and that text to the value; it raises a ``ValueError`` for any other text.
        fits: for which tasks, in words.
        why_not: why a task cannot have it, in the circumstances; empty if it can.
        drawn: the texts from which ``regime="random"`` draws one; empty to leave the regime out.
        group: regimes of one group exclude each other.
        first: whether it comes before others that it is combined with.
    """

    change: Change
    value: str
    read: Callable[[str, str], Any]
    fits: str
    why_not: Callable[[Task, Circumstances], str]
    drawn: tuple[str, ...]
    group: str
    first: bool


REGIMES: Registry[Regime] = Registry("regime", "data_select_gym.tasks.regimes", kind_check("regime", Regime))


def read_number(name: str, text: str) -> float:
    """The number that a text stands for.

    Raises:
        ValueError: it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name}: {text!r} is not a number") from None


def read_share(name: str, text: str) -> float:
    """The share in [0, 1) that a text stands for.

    Raises:
        ValueError: it is none.
    """
    return check_part(f"{name}: p", read_number(name, text))


def fits_all(task: Task, given: Circumstances) -> str:
    """Nothing is against it."""
    return ""


def why_no_classes(task: Task, given: Circumstances) -> str:
    """Why a task has no classes; empty if it has."""
    if isinstance(task.objective, Classification):
        return ""
    return f"it needs classes, and the objective is a {type(task.objective).__name__}"


def why_no_label_noise(task: Task, given: Circumstances) -> str:
    """Why labels cannot be made wrong; empty if they can."""
    known = "" if task.true_labels is None else "the task has label noise already"
    return why_no_classes(task, given) or known


def check_drawn(drawn: Any, value: str, read: Callable[[str, str], Any]) -> None:
    """Check the texts that a regime is drawn with.

    Raises:
        ValueError: ``read`` does not take one, or there is one and the regime has no value.
        TypeError: they are not a sequence of texts.
    """
    if isinstance(drawn, str) or not isinstance(drawn, Sequence) or not all(isinstance(text, str) for text in drawn):
        raise TypeError(f"drawn={drawn!r} is not a list of texts")
    for text in drawn:
        # '+' stands between regimes that are combined.
        if bool(text) != bool(value) or "+" in text:
            raise ValueError(f"drawn={drawn!r}: {text!r} cannot stand for the value {value!r}")
        if value:
            try:
                read("drawn", text)
            except Exception as error:
                raise ValueError(f"drawn={drawn!r}: read does not take {text!r}: {error}") from error


def register_regime(
    name: str,
    *,
    value: str = "p",
    read: Callable[[str, str], Any] = read_share,
    fits: str = "all",
    why_not: Callable[[Task, Circumstances], str] = fits_all,
    drawn: Sequence[str] = (),
    group: str = "",
    first: bool = False,
    description: str = "",
    paper: str = "",
) -> Callable[[Changing], Changing]:
    """Register a regime: a function of a task, a value and :class:`Circumstances` that returns the changed task.

    It changes only the training set, and keeps what is known of its samples on record in ``Task.truth``.

    Example:
        >>> from data_select_gym.tasks import make_task
        >>> from data_select_gym.tasks.regimes import apply_regime
        >>> from data_select_gym.tasks.truth import at_rows
        >>> @register_regime("first-samples", value="n", read=lambda name, text: int(text))
        ... def first_samples(task, count, given):
        ...     '''Only the first n samples.'''
        ...     return at_rows(task, torch.arange(count))
        >>> len(apply_regime(make_task("digits"), "first-samples:100").train)
        100
        >>> REGIMES.remove("first-samples")

    Args:
        name: of the regime.
        value: what stands behind the colon; empty if nothing does.
        read: from an argument's name and the text behind the colon to the value; a share in [0, 1) if not given.
        fits: for which tasks, in words.
        why_not: why a task cannot have it; empty if it can.
        drawn: the texts from which ``regime="random"`` draws one, ``""`` for a regime without a value. The regime must
            then keep the size of the training set if :attr:`Circumstances.same_size` says so.
        group: regimes of one group exclude each other; by itself if empty.
        first: whether it comes before others that it is combined with.
        description: one line; the first of the docstring if empty.
        paper: an arXiv id or a citation.

    Raises:
        ValueError: the name is taken, is ``"random"``, or is not one of letters, digits, ``-``, ``_`` and ``.``; or
            ``read`` does not take a text of ``drawn``.
        TypeError: what is decorated cannot be called, or another argument is of the wrong type.
    """
    module = calling_module(2)
    REGIMES.check_texts(name, description, paper, ())
    if name == RANDOM:
        raise ValueError(f"name={name!r} stands for a regime that is drawn; give another name")
    for argument, text in (("value", value), ("fits", fits), ("group", group)):
        check_kind(argument, text, str)
    check_callable("read", read)
    check_callable("why_not", why_not)
    check_drawn(drawn, value, read)

    def register(change: Changing) -> Changing:
        check_callable("regime", change)
        regime = Regime(change, value, read, fits, why_not, tuple(drawn), group or name, first)
        line = description or (change.__doc__ or "").strip().partition("\n")[0].removesuffix(".")
        REGIMES.register(name, regime, description=line, paper=paper, module=module)
        return change

    return register
