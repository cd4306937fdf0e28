"""The results of a comparison: finished runs and failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from data_select_gym.agents import RunResult
from data_select_gym.arguments import is_number
from data_select_gym.phase_timer import PHASES

NAN = float("nan")


@dataclass(frozen=True)
class RunRecord:
    """One finished run of a comparison: the policy's name, its result, and its curve.

    Attributes:
        policy: name of the policy.
        result: quality, cost, seconds and more.
        curve: an entry for each evaluation: epoch, progress, cost, and the metrics by name.
        keep_fractions: the share kept at each step at which something was selected.
        keep_ratio: the share of candidates that was meant to be kept.
        problems: share of the kept samples that had a known problem at each of those steps, by its name.
        kept_by_loss: which share of the kept had a recorded loss in each tenth of the pool's, lowest first, over the
            first, second and last third of those steps: 3 lists of 10.
        final_losses: the quantiles 0, 0.05, ..., 1 of the losses recorded of the training set at the end.
        policy_sha256: of the policy's file; empty if it is from none.
        policy_is: what the policy was, see :func:`~data_select_gym.agents.fingerprint.policy_fingerprint`.
        by_class: quality of each class at the end, None for a class without samples; empty where there are no classes.
        asked_cost: what the run was meant to cost, from which the keep ratio was found; None where that was given.
        jobs: how many runs of the comparison went on at the same time.
        threads: of torch on the CPU.
        busy: CPU seconds of the process per second of the run, since it last began or resumed; None on a GPU.
        regime: of the run, the drawn one if it was drawn; empty if there was none.
        regime_seed: that the regime was applied with; None if there was none.
    """

    policy: str
    result: RunResult
    curve: list[dict[str, float]] = field(default_factory=list)
    keep_fractions: list[float] = field(default_factory=list)
    keep_ratio: float = 0.5
    problems: dict[str, list[float]] = field(default_factory=dict)
    kept_by_loss: list[list[float]] = field(default_factory=list)
    final_losses: list[float] = field(default_factory=list)
    policy_sha256: str = ""
    policy_is: str = ""
    by_class: list[float | None] = field(default_factory=list)
    asked_cost: float | None = None
    jobs: int = field(default=1, compare=False)
    threads: int = field(default=1, compare=False)
    busy: float | None = field(default=None, compare=False)
    regime: str = ""
    regime_seed: int | None = None

    @property
    def mislabelled(self) -> list[float]:
        """Those of the problem ``"mislabelled"``; empty where the true labels are not known."""
        return self.problems.get("mislabelled", [])

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> RunRecord:
        """The run from the values of ``dataclasses.asdict``, also when they were stored as JSON.

        None instead of a number is read as NaN, which JSON cannot write, except for values that may be unknown.

        Raises:
            ValueError: the values are not those of a run.
        """
        try:
            values = upgraded(values)
            result = dict(values["result"])
            check_parts(result.get("seconds_by_part", {}))
            unknown = {name: result[name] for name in OPTIONAL if result.get(name, NAN) is None}
            texts: dict[str, Any] = {name: str(values[name]) for name in TEXTS if name in values}
            plain: dict[str, Any] = {name: values[name] for name in PLAIN if name in values}
            for name, value in plain.items():
                if not is_number(value) and not (value is None and name in UNKNOWN):
                    raise TypeError(f"{name} is {value!r}")
            others = {name: value for name, value in values.items() if name not in {"result", *APART}}
            by_class = list(values.get("by_class", []))
            with_nan(by_class)
            for name, value in others.items():
                if isinstance(value, list) == (name in {"keep_ratio", "problems"}):
                    raise TypeError(f"{name} is a {type(value).__name__}")
            run = RunRecord(
                result=RunResult(**(with_nan(result) | unknown)),
                by_class=by_class,
                **texts,
                **plain,
                **with_nan(others),
            )
            if run.result.seconds <= 0:
                raise ValueError(f"it took {run.result.seconds} seconds")
            return run
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"values={values!r:.200} are not those of a run: {error}") from error


def upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a run as this version has them; version 0.1 knew no problem but wrong labels."""
    changed, result = dict(values), dict(values["result"])
    for told, old, new in (
        (changed, "mislabelled", "problems"),
        (result, "mislabelled", "problems"),
        (result, "mislabelled_late", "problems_late"),
    ):
        share = told.pop(old, None)
        if share not in (None, []):
            told[new] = {**told.get(new, {}), "mislabelled": share}
    return changed | {"result": result}


def check_parts(seconds: object) -> None:
    """Check that it is seconds by part, or none at all.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(seconds, dict) or (seconds and seconds.keys() != PHASES.keys()):
        raise ValueError(f"seconds_by_part={seconds!r:.100} are not those of {', '.join(PHASES)}")
    if not all(map(is_number, seconds.values())):
        raise ValueError(f"seconds_by_part={seconds!r:.100} are not numbers")


TEXTS = ("policy", "policy_sha256", "policy_is", "regime")
PLAIN = ("asked_cost", "jobs", "threads", "busy", "regime_seed")
UNKNOWN = {"asked_cost", "busy", "regime_seed"}  # of these, those that may be None
APART = {"by_class", *TEXTS, *PLAIN}
OPTIONAL = [entry.name for entry in fields(RunResult) if entry.default is None]


@dataclass(frozen=True)
class Failure:
    """A run that could not be finished.

    Attributes:
        policy: name of the policy.
        keep_ratio: the share of candidates that was meant to be kept.
        seed: of the run.
        error: class and message of the exception.
        traceback: its traceback.
        asked_cost: what the run was meant to cost; None where a keep ratio was given.
    """

    policy: str
    keep_ratio: float
    seed: int
    error: str
    traceback: str
    asked_cost: float | None = None


def with_nan(value: Any) -> Any:
    """The same with NaN instead of None.

    Raises:
        TypeError: it holds anything but numbers, and lists and dicts of them.
        OverflowError: a number is larger than any float.
    """
    if isinstance(value, dict):
        return {key: with_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_nan(item) for item in value]
    if value is None:
        return NAN
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r:.100} is not a number")
    float(value)
    return value
