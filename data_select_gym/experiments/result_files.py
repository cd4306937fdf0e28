"""The files that a comparison writes."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from data_select_gym.agents import RunResult
from data_select_gym.experiments.columns import problem_names
from data_select_gym.experiments.hparams import write_hparams
from data_select_gym.experiments.page import make_page
from data_select_gym.experiments.plots import draw_curves, draw_quality, save
from data_select_gym.experiments.results import Failure, RunRecord
from data_select_gym.experiments.statistics import Summary, summarise
from data_select_gym.experiments.table import make_markdown
from data_select_gym.files import replacing
from data_select_gym.phase_timer import PHASES

# Of what is in these each entry has a column of its own.
DICTS = ("seconds_by_part", "problems", "problems_late")
# The heads say which numbers are of the test set.
HEADS = {"quality": "test_quality", "validation": "validation_quality"}
OF_RUNS = ("asked_cost", "jobs", "threads", "busy")
OF_REGIMES = ("regime", "regime_seed")


def write_outcome(
    folder: Path,
    settings: Mapping[str, Any],
    runs: Sequence[RunRecord],
    failures: Sequence[Failure],
    quality: str,
    *,
    pictures: bool,
) -> None:
    """Write the results of a comparison.

    Always ``results.csv``, a row a run, ``results.json``, with settings, runs, failures and summaries, and
    ``table.md``.

    Args:
        folder: that they go to; it exists.
        settings: of the comparison; among them ``env`` and ``options``.
        runs: that were finished.
        failures: the others.
        quality: name of the metric.
        pictures: also write ``page.html``, ``quality_vs_cost.png``, ``curves.png`` and ``tensorboard/hparams``; the
            latter three only if a run was finished.
    """
    summaries = summarise(runs)
    write_csv(folder / "results.csv", runs)
    write_json(folder / "results.json", settings, runs, failures, summaries)
    write_text(folder / "table.md", make_markdown(summaries, quality, failures))
    if not pictures:
        return
    write_text(folder / "page.html", make_page(settings, runs, failures, quality))
    if runs:
        save(draw_quality(summaries, quality), folder / "quality_vs_cost.png")
        save(draw_curves(runs, quality), folder / "curves.png")
        write_hparams(folder / "tensorboard" / "hparams", settings, runs)


def write_csv(path: Path, runs: Sequence[RunRecord]) -> None:
    """A row a run, seconds by part in a column each; regimes have columns if there are any."""
    results = [HEADS.get(entry.name, entry.name) for entry in fields(RunResult) if entry.name not in DICTS]
    place = results.index("worst_class")
    others = [name for name in problem_names([run.result.problems for run in runs]) if name != "mislabelled"]
    shares = [head for name in others for head in (name, f"{name}_late")]
    results = [*results[:place], "mislabelled", "mislabelled_late", *results[place:], *shares]
    columns = ["policy", "keep_ratio", *results, *(f"seconds_{part}" for part in PHASES), *OF_RUNS]
    columns += OF_REGIMES if any(run.regime for run in runs) else ()
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(map(make_row, runs))


def make_row(run: RunRecord) -> dict[str, Any]:
    """The cells of a run by column."""
    result = {HEADS.get(name, name): value for name, value in vars(run.result).items() if name not in DICTS}
    shares = {**run.result.problems, **{f"{name}_late": share for name, share in run.result.problems_late.items()}}
    parts = {f"seconds_{part}": seconds for part, seconds in run.result.seconds_by_part.items()}
    return {"policy": run.policy, "keep_ratio": run.keep_ratio, **result, **shares, **parts} | {
        name: getattr(run, name) for name in (*OF_RUNS, *OF_REGIMES)
    }


def write_json(
    path: Path,
    settings: Mapping[str, Any],
    runs: Sequence[RunRecord],
    failures: Sequence[Failure],
    summaries: Sequence[Summary],
) -> None:
    """Everything, with null instead of numbers that are not finite."""
    content = {"settings": settings, "runs": runs, "failures": failures, "summaries": summaries}
    text = json.dumps(content, default=plain)
    # Python writes NaN and Infinity, which other readers of JSON refuse.
    write_text(path, json.dumps(json.loads(text, parse_constant=lambda word: None)) + "\n")


def plain(value: object) -> dict[str, Any] | str:
    """A value that JSON cannot write, as one that it can."""
    return vars(value) if is_dataclass(value) else str(value)


def write_text(path: Path, text: str) -> None:
    """A text file."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
