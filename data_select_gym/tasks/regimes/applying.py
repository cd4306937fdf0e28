"""Regimes as users write them: read, checked and applied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

from data_select_gym.arguments import check_count, check_kind, did_you_mean
from data_select_gym.tasks.regimes.registry import PLUS_IN_PATH, REGIMES, Circumstances, Regime
from data_select_gym.tasks.task import Task
from data_select_gym.tasks.truth import off_target_alone


@dataclass(frozen=True)
class Part:
    """One of the regimes that are combined.

    Attributes:
        text: as it is written.
        regime: its name is the text before the colon.
        value: what stands behind the colon, as the regime reads it; None without.
    """

    text: str
    regime: Regime
    value: Any


def read_regime(regime: str) -> tuple[Part, ...]:
    """The parts of a regime such as ``"pair-noise:0.3+long-tail:10"``, in the order in which they are applied.

    Raises:
        ValueError: one is unknown, has a wrong value, or excludes another.
        TypeError: it is no text.
    """
    given = f"regime={check_kind('regime', regime, str)!r}"
    parts: list[Part] = []
    for text in regime.split("+"):
        name, _, value = text.strip().partition(":")
        if name not in REGIMES:
            of_file = PLUS_IN_PATH if parts and parts[-1].regime.value == "FILE" else ""
            hint = did_you_mean([name], REGIMES) or of_file
            raise ValueError(f"{given}: {name!r} is not known; known are: {', '.join(REGIMES)}{hint}")
        found = REGIMES[name]
        if bool(value) != bool(found.value):
            needed = f"{name}:{found.value}" if found.value else name
            raise ValueError(f"{given}: {text!r} is not of the form {needed!r}")
        for part in parts:
            if part.regime.group == found.group:
                raise ValueError(f"{given}: {part.text!r} and {text!r} cannot be combined")
        parts.append(Part(text, found, found.read(given, value) if found.value else None))
    return tuple(sorted(parts, key=lambda part: not part.regime.first))


def check_fits(regime: str, task: Task, given: Circumstances) -> tuple[Part, ...]:
    """The parts of a regime, if the task can have it.

    Raises:
        ValueError: it cannot; the message says why, and which regimes it can have. Or as :func:`read_regime`.
    """
    parts = read_regime(regime)
    for part in parts:
        reason = part.regime.why_not(task, given)
        if reason:
            which = "it" if len(parts) == 1 else repr(part.text)
            raise ValueError(
                f"regime={regime!r}: {which} does not apply to {task.name}: {reason}. Those that do: "
                f"{', '.join(fitting(task, given))}"
            )
    return parts


def fitting(task: Task, given: Circumstances) -> Iterator[str]:
    """The names of the regimes that a task can have."""
    return (name for name in REGIMES if not REGIMES[name].why_not(task, given))


def apply_regime(
    task: Task,
    regime: str,
    *,
    seed: int = 0,
    same_size: bool = False,
    off_target: Dataset[Any] | None = None,
) -> Task:
    """The same task with another training set; validation and test set stay as they are.

    What is known of the samples stays on record, in ``Task.problems``, ``Task.true_labels`` and ``Task.truth``.

    Args:
        task: the task.
        regime: names with their values, such as ``"duplicates:0.5"``; ``+`` combines several, which are applied from
            left to right, but ``human-noise`` first.
        seed: draws which samples change and how; it is independent of the seed of a run.
        same_size: whether the training set must keep its size. A long tail then repeats the samples that it leaves.
        off_target: a map-style dataset for ``off-target``, of samples of the same form as those of the training set.

    Raises:
        ValueError: a regime is unknown, has a wrong value, excludes another or does not apply to the task.
        TypeError: an argument is of the wrong type, or a regime returns no task.
        FileNotFoundError: there is no such file of labels.
    """
    check_kind("task", task, Task)
    given = Circumstances(check_count("seed", seed, least=0), same_size, off_target)
    for part in check_fits(regime, task, given):
        changed = part.regime.change(task, part.value, given)
        if not isinstance(changed, Task):
            raise TypeError(f"the regime {part.text!r} returned a {type(changed).__name__}; a Task is needed")
        task = changed
    return off_target_alone(task)


def drawn_regimes(task: Task, given: Circumstances) -> dict[str, float]:
    """What ``regime="random"`` draws from, with weights: every regime that applies as often, and so its values."""
    drawn: dict[str, float] = {}
    for name in fitting(task, given):
        texts = REGIMES[name].drawn
        drawn |= {f"{name}:{text}" if text else name: 1 / len(texts) for text in texts}
    return drawn
