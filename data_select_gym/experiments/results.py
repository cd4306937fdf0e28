"""Results of a comparison: runs, and their summary by policy."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from data_select_gym.agents import RunResult
from data_select_gym.files import replacing

BASELINE = "full"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Run:
    """One run of a comparison: the policy's name, what came of it, and its curve.

    Attributes:
        policy: name of the policy.
        result: quality, cost, seconds, ...
        curve: an entry for each evaluation: epoch, progress, cost, and the metrics by name.
        keep_fractions: the share kept at each step at which something was selected.
        keep_ratio: the share of candidates that was meant to be kept.
        mislabelled: share of the kept samples that were mislabelled at each of those steps; empty where the true labels
            are not known.
        kept_by_loss: which share of the kept had a recorded loss in each tenth of the pool's, lowest first, over the
            first, second and last third of those steps: 3 lists of 10.
        final_losses: the quantiles 0, 0.05, ..., 1 of the losses recorded of the training set at the end.
    """

    policy: str
    result: RunResult
    curve: list[dict[str, float]] = field(default_factory=list)
    keep_fractions: list[float] = field(default_factory=list)
    keep_ratio: float = 0.5
    mislabelled: list[float] = field(default_factory=list)
    kept_by_loss: list[list[float]] = field(default_factory=list)
    final_losses: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and the half-width of its 95% interval (Student's t); NaN if there is a single seed."""

    mean: float
    half_width: float

    @staticmethod
    def of(values: Sequence[float]) -> Estimate:
        """The estimate from a value for each seed."""
        count = len(values)
        if count < 2:
            return Estimate(float(np.mean(values)), float("nan"))
        quantile = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)
        return Estimate(float(np.mean(values)), float(quantile * np.std(values, ddof=1) / np.sqrt(count)))


@dataclass(frozen=True)
class Summary:
    """One policy over its seeds.

    Attributes:
        policy: its name.
        seeds: how many.
        quality: on the test set at the end.
        difference: of quality to ``full``, paired by seed; None without ``full``.
        cost: samples trained on over those of full data.
        keep_fraction: mean share kept where something was selected.
        seconds: of a run.
        seconds_ratio: seconds over those of ``full``, paired by seed; None without ``full``.
        agent_share: the agent's own share of the seconds.
    """

    policy: str
    seeds: int
    quality: Estimate
    difference: Estimate | None
    cost: float
    keep_fraction: float
    seconds: float
    seconds_ratio: float | None
    agent_share: float


def summarise(runs: Sequence[Run]) -> list[Summary]:
    """A summary of each policy, in the order of their first runs."""
    baseline = {run.result.seed: run.result for run in runs if run.policy == BASELINE}
    summaries = []
    for policy in dict.fromkeys(run.policy for run in runs):
        results = [run.result for run in runs if run.policy == policy]
        pairs = [(result, baseline[result.seed]) for result in results if result.seed in baseline]
        summaries.append(
            Summary(
                policy=policy,
                seeds=len(results),
                quality=Estimate.of([result.quality for result in results]),
                difference=Estimate.of([mine.quality - full.quality for mine, full in pairs]) if pairs else None,
                cost=float(np.mean([result.cost for result in results])),
                keep_fraction=float(np.mean([result.keep_fraction for result in results])),
                seconds=float(np.mean([result.seconds for result in results])),
                seconds_ratio=float(np.mean([mine.seconds / full.seconds for mine, full in pairs])) if pairs else None,
                agent_share=sum(result.agent_seconds for result in results) / sum(result.seconds for result in results),
            )
        )
    return summaries


def write_results(folder: Path, settings: dict[str, Any], runs: Sequence[Run]) -> None:
    """Write ``results.csv``, a row a run, and ``results.json``, with settings, runs and summaries."""
    rows = [{"policy": run.policy, **asdict(run.result)} for run in runs]
    with replacing(folder / "results.csv") as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    content = {
        "settings": settings,
        "runs": [asdict(run) for run in runs],
        "summaries": [asdict(summary) for summary in summarise(runs)],
    }
    with replacing(folder / "results.json") as path:
        path.write_text(json.dumps(without_nan(content), indent=1, default=str) + "\n")


def without_nan(value: Any) -> Any:
    """The same with None in the place of NaN and infinities, for which JSON has no word."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
