import csv
import json
import math
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats

from data_select_gym.agents import RunResult
from data_select_gym.experiments import Run, Summary, make_markdown, make_table, summarise
from data_select_gym.experiments.results import Estimate, write_results

NAN = float("nan")


def result(seed: int = 0, **values: Any) -> RunResult:
    given_values = {
        "quality": 0.9,
        "validation": 0.8,
        "cost": 0.5,
        "keep_fraction": 0.4,
        "episode_return": 1.5,
        "steps": 10,
        "seconds": 2.0,
        "agent_seconds": 0.5,
    }
    return RunResult(seed=seed, **(given_values | values))


def run(policy: str, seed: int = 0, **values: Any) -> Run:
    return Run(policy, result(seed, **values), [{"epoch": 1.0, "progress": 0.5, "cost": 0.5}], [0.4, 0.4])


def by_name(runs: list[Run]) -> dict[str, Summary]:
    return {summary.policy: summary for summary in summarise(runs)}


# Estimates


def test_an_estimate_by_hand() -> None:
    # Student's t at 97.5% with one degree of freedom is tan(0.475 pi); the standard error of 1 and 3 is 1.
    estimate = Estimate.of([1.0, 3.0])
    assert estimate.mean == 2
    assert estimate.half_width == pytest.approx(math.tan(0.475 * math.pi))


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20).filter(lambda values: np.std(values) > 1e-6))
def test_an_estimate_is_students_interval(values: list[float]) -> None:
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    estimate = Estimate.of(values)
    assert estimate.mean - estimate.half_width == pytest.approx(low, rel=1e-9, abs=1e-9)
    assert estimate.mean + estimate.half_width == pytest.approx(high, rel=1e-9, abs=1e-9)


def test_a_single_value_has_no_interval_and_equal_ones_have_none_of_width() -> None:
    assert Estimate.of([0.7]).mean == 0.7
    assert math.isnan(Estimate.of([0.7]).half_width)
    assert Estimate.of([0.5, 0.5, 0.5]) == Estimate(0.5, 0.0)


# Summaries


def test_a_summary_has_the_means_over_the_seeds() -> None:
    runs = [
        run("random", 0, quality=0.8, cost=0.5, keep_fraction=0.25, seconds=1.0, agent_seconds=0.5),
        run("random", 1, quality=0.9, cost=0.7, keep_fraction=0.75, seconds=3.0, agent_seconds=0.5),
    ]
    (summary,) = summarise(runs)
    assert (summary.policy, summary.seeds) == ("random", 2)
    assert summary.quality == Estimate.of([0.8, 0.9])
    assert (summary.cost, summary.keep_fraction, summary.seconds) == pytest.approx((0.6, 0.5, 2.0))
    assert summary.agent_share == pytest.approx(0.25)


def test_policies_come_in_the_order_of_their_first_runs() -> None:
    runs = [run("b", 0), run("full", 0), run("a", 0), run("full", 1), run("b", 1), run("a", 1)]
    assert [summary.policy for summary in summarise(runs)] == ["b", "full", "a"]


def test_differences_and_seconds_are_paired_by_seed() -> None:
    full = [run("full", seed, quality=quality, seconds=4.0) for seed, quality in [(0, 0.5), (1, 0.7), (2, 0.9)]]
    mine = [
        run("mine", seed, quality=quality, seconds=seconds) for seed, quality, seconds in [(2, 0.8, 1), (0, 0.6, 3)]
    ]
    summary = by_name([*mine, *full])["mine"]
    assert summary.difference == Estimate.of([0.8 - 0.9, 0.6 - 0.5])
    assert summary.seconds_ratio == pytest.approx((1 / 4 + 3 / 4) / 2)
    assert summary.quality == Estimate.of([0.8, 0.6])


def test_pairing_takes_out_what_seeds_have_in_common() -> None:
    levels = [0.2, 0.5, 0.9]
    runs = [run("full", seed, quality=level) for seed, level in enumerate(levels)]
    runs += [run("mine", seed, quality=level + 0.01) for seed, level in enumerate(levels)]
    summary = by_name(runs)["mine"]
    assert summary.difference is not None
    assert summary.difference.mean == pytest.approx(0.01)
    assert summary.difference.half_width < 1e-9 < summary.quality.half_width


def test_full_differs_from_itself_by_nothing() -> None:
    summary = by_name([run("full", 0, quality=0.5), run("full", 1, quality=0.6)])["full"]
    assert summary.difference == Estimate(0.0, 0.0)
    assert summary.seconds_ratio == 1


def test_without_full_there_is_no_difference() -> None:
    for runs in ([run("mine", 0)], [run("mine", 0), run("full", 1)]):
        summary = by_name(runs)["mine"]
        assert summary.difference is None
        assert summary.seconds_ratio is None


# Files


def written(folder: Path, runs: list[Run], settings: dict[str, Any] | None = None) -> dict[str, Any]:
    write_results(folder, {"seeds": 2} if settings is None else settings, runs)

    def fail(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    content: dict[str, Any] = json.loads((folder / "results.json").read_text(), parse_constant=fail)
    return content


def test_the_csv_file_has_a_row_for_each_run(tmp_path: Path) -> None:
    runs = [run("full", 0), run("a,b", 1, quality=0.25)]
    written(tmp_path, runs)
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("policy", "seed", "quality", "validation", "cost", "keep_fraction"),
        *("episode_return", "steps", "seconds", "agent_seconds"),
    ]
    assert [(row["policy"], int(row["seed"]), float(row["quality"])) for row in rows] == [
        ("full", 0, 0.9),
        ("a,b", 1, 0.25),
    ]


def test_the_json_file_has_settings_runs_and_summaries(tmp_path: Path) -> None:
    content = written(tmp_path, [run("full", 0), run("full", 1), run("mine", 0)], {"env": "X-v0"})
    assert list(content) == ["settings", "runs", "summaries"]
    assert content["settings"] == {"env": "X-v0"}
    assert [(entry["policy"], entry["result"]["seed"]) for entry in content["runs"]] == [
        ("full", 0),
        ("full", 1),
        ("mine", 0),
    ]
    assert content["runs"][0]["curve"] == [{"epoch": 1.0, "progress": 0.5, "cost": 0.5}]
    assert content["runs"][0]["keep_fractions"] == [0.4, 0.4]
    assert content["summaries"][0]["quality"] == {"mean": 0.9, "half_width": 0.0}
    assert content["summaries"][0]["difference"] == {"mean": 0.0, "half_width": 0.0}


def test_json_has_null_where_a_number_is_not_finite(tmp_path: Path) -> None:
    diverged = Run("full", result(0, quality=NAN), [{"val_loss": float("inf"), "cost": 1.0}], [NAN])
    content = written(tmp_path, [diverged], {"note": NAN})
    assert content["settings"] == {"note": None}
    assert content["runs"][0]["result"]["quality"] is None
    assert content["runs"][0]["curve"] == [{"val_loss": None, "cost": 1.0}]
    assert content["runs"][0]["keep_fractions"] == [None]
    assert content["summaries"][0]["quality"] == {"mean": None, "half_width": None}


def test_files_are_replaced_and_leave_nothing_beside_them(tmp_path: Path) -> None:
    written(tmp_path, [run("full", 0)])
    content = written(tmp_path, [run("full", 0), run("full", 1)])
    assert len(content["runs"]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.json"]


def half_a_table(writer: Any, rows: Any) -> None:
    writer.writerow(rows[0])
    raise OSError("disk is full")


def half_a_text(path: Path, text: str) -> None:
    path.write_bytes(text[: len(text) // 2].encode())
    raise OSError("disk is full")


@pytest.mark.parametrize(
    ("file", "owner", "method", "fail"),
    [
        ("results.csv", csv.DictWriter, "writerows", half_a_table),
        ("results.json", Path, "write_text", half_a_text),
    ],
    ids=["csv", "json"],
)
def test_a_write_that_fails_leaves_the_old_file(
    file: str, owner: type, method: str, fail: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, [run("full", 0)])
    before = (tmp_path / file).read_text()
    monkeypatch.setattr(owner, method, fail)
    with pytest.raises(OSError, match="disk is full"):
        write_results(tmp_path, {}, [run("mine", 0)])
    assert (tmp_path / file).read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.json"]


# Tables


def summaries() -> list[Summary]:
    return [
        Summary("full", 2, Estimate(0.95, 0.01), Estimate(0.0, 0.0), 1.0, 1.0, 12.34, 1.0, 0.001),
        Summary("mine", 2, Estimate(0.94, 0.02), Estimate(-0.01, 0.005), 0.5625, 0.5, 6.0, 0.486, 0.123),
        Summary("other", 1, Estimate(0.9, NAN), None, 0.5, 0.5, 6.0, None, 0.5),
    ]


def shown(width: int = 100) -> str:
    told = StringIO()
    Console(width=width, file=told).print(make_table(summaries(), "accuracy", "Digits"))
    return told.getvalue()


def test_the_table_has_a_row_for_each_policy_with_its_numbers() -> None:
    text = shown()
    assert "Digits" in text
    assert "accuracy" in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.split()}
    assert rows["full"][1:] == ["0.9500", "±0.0100", "+0.0000", "±0.0000", "1.000", "12.3", "1.00", "0.1%"]
    assert rows["mine"][1:] == ["0.9400", "±0.0200", "-0.0100", "±0.0050", "0.562", "6.0", "0.49", "12.3%"]
    assert rows["other"][1:] == ["0.9000", "-", "0.500", "6.0", "-", "50.0%"]


def test_the_table_fits_a_terminal_of_eighty_columns() -> None:
    rows = [line for line in shown(80).splitlines() if line.strip().startswith(("full", "mine", "other"))]
    assert len(rows) == 3
    assert all(row.rstrip().endswith("%") for row in rows)


def test_the_markdown_table_has_the_same() -> None:
    lines = make_markdown(summaries(), "accuracy").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in cells} == {7}
    assert cells[0][:4] == ["policy", "accuracy", "difference to full", "cost"]
    assert cells[2] == ["full", "0.9500 ±0.0100", "+0.0000 ±0.0000", "1.000", "12.3", "1.00", "0.1%"]
    assert cells[3] == ["mine", "0.9400 ±0.0200", "-0.0100 ±0.0050", "0.562", "6.0", "0.49", "12.3%"]
    assert cells[4] == ["other", "0.9000", "-", "0.500", "6.0", "-", "50.0%"]
