import csv
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.experiments import RunRecord
from data_select_gym.experiments.result_files import write_outcome
from data_select_gym.phase_timer import PHASES

from .made_runs import FAILURE, NAN, SETTINGS, result, run

TEXTS = ["results.csv", "results.json", "table.md"]


def content(folder: Path) -> dict[str, Any]:
    def fail(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    read: dict[str, Any] = json.loads((folder / "results.json").read_text(), parse_constant=fail)
    return read


def test_the_csv_file_has_a_row_for_each_run(tmp_path: Path) -> None:
    runs = [run("full", 0, 1.0), run("a,b", 1, 0.3, quality=0.25, mislabelled=0.5)]
    write_outcome(tmp_path, SETTINGS, runs, [], "accuracy", pictures=False)
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("policy", "keep_ratio", "seed", "test_quality", "validation_quality", "cost", "keep_fraction"),
        *("episode_return", "steps", "seconds", "agent_seconds", "mislabelled", "mislabelled_late", "worst_class"),
        "token_cost",
        *(f"seconds_{part}" for part in PHASES),
        *("asked_cost", "jobs", "threads", "busy"),
    ]
    names = ("policy", "keep_ratio", "seed", "test_quality", "mislabelled")
    assert [[row[name] for name in names] for row in rows] == [
        ["full", "1.0", "0", "0.9", ""],
        ["a,b", "0.3", "1", "0.25", "0.5"],
    ]


def test_the_regime_of_each_run_is_told(tmp_path: Path) -> None:
    runs = [replace(run("mine", 0), regime="pair-noise:0.3", regime_seed=5), run("mine", 1)]
    write_outcome(tmp_path, SETTINGS, runs, [], "accuracy", pictures=True)
    with (tmp_path / "results.csv").open(newline="") as file:
        told = [(row["regime"], row["regime_seed"]) for row in csv.DictReader(file)]
    assert told == [("pair-noise:0.3", "5"), ("", "")]
    assert [(each["regime"], each["regime_seed"]) for each in content(tmp_path)["runs"]] == [
        ("pair-noise:0.3", 5),
        ("", None),
    ]
    page = (tmp_path / "page.html").read_text()
    assert '<th scope="col">regime</th>' in page and "<td>pair-noise:0.3</td>" in page


def test_the_cost_in_tokens_is_told_where_it_is_known(tmp_path: Path) -> None:
    runs = [run("full", 0, 1.0), run("mine", 0, token_cost=0.375)]
    write_outcome(tmp_path, SETTINGS, runs, [], "accuracy", pictures=True)
    with (tmp_path / "results.csv").open(newline="") as file:
        assert [row["token_cost"] for row in csv.DictReader(file)] == ["", "0.375"]
    assert [summary["token_cost"] for summary in content(tmp_path)["summaries"]] == [None, 0.375]
    table, page = (tmp_path / "table.md").read_text(), (tmp_path / "page.html").read_text()
    assert "| token cost |" in table and "| 0.375 |" in table
    assert page.count('<th scope="col">token cost</th>') == 2 and "<td>0.375</td>" in page
    write_outcome(tmp_path, SETTINGS, runs[:1], [], "accuracy", pictures=True)
    assert "token cost" not in (tmp_path / "table.md").read_text() + (tmp_path / "page.html").read_text()


def test_the_json_file_has_settings_runs_failures_and_summaries(tmp_path: Path) -> None:
    runs = [run("full", seed, 1.0, quality=quality) for seed, quality in enumerate([0.5, 0.75, 1.0])]
    settings = SETTINGS | {"options": {"path": Path("there")}}
    write_outcome(tmp_path, settings, runs, [FAILURE], "accuracy", pictures=False)
    read = content(tmp_path)
    assert list(read) == ["settings", "runs", "failures", "summaries"]
    assert read["settings"]["options"] == {"path": "there"}
    assert [RunRecord.from_dict(values) for values in read["runs"]] == runs
    assert read["failures"] == [asdict(FAILURE)]
    (summary,) = read["summaries"]
    assert summary["quality"] == {"mean": 0.75, "interval": [0.5, 1.0]}
    assert summary["to_full"] == {"mean": 0.0, "interval": [0.0, 0.0]}
    assert (summary["to_random"], summary["problems"]) == (None, {})


def test_json_has_null_where_a_number_is_not_finite(tmp_path: Path) -> None:
    diverged = RunRecord("full", result(0, quality=NAN), [{"val_loss": float("inf"), "cost": 1.0}], [NAN])
    write_outcome(tmp_path, SETTINGS | {"note": NAN}, [diverged], [], "accuracy", pictures=False)
    read = content(tmp_path)
    assert read["settings"]["note"] is None
    assert read["runs"][0]["result"]["quality"] is None
    assert read["runs"][0]["curve"] == [{"val_loss": None, "cost": 1.0}]
    assert read["runs"][0]["keep_fractions"] == [None]
    assert read["summaries"][0]["quality"] == {"mean": None, "interval": None}


def test_pictures_and_the_page_are_written_when_asked_for(tmp_path: Path) -> None:
    runs = [run("full", 0, 1.0), run("random", 0)]
    write_outcome(tmp_path, SETTINGS, runs, [FAILURE], "accuracy", pictures=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == TEXTS
    write_outcome(tmp_path, SETTINGS, runs, [FAILURE], "accuracy", pictures=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("curves.png", "page.html", "quality_vs_cost.png", *TEXTS, "tensorboard"),
    ]
    assert "seed 1: ValueError" in (tmp_path / "table.md").read_text()


def test_a_comparison_of_which_every_run_failed_leaves_tables_and_a_page(tmp_path: Path) -> None:
    write_outcome(tmp_path, SETTINGS, [], [FAILURE], "accuracy", pictures=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", *TEXTS]
    assert (tmp_path / "results.csv").read_text().startswith("policy,keep_ratio,seed,")
    assert "Traceback ..." in (tmp_path / "page.html").read_text()


def half_a_table(writer: Any, rows: Any) -> None:
    writer.writerow(next(iter(rows)))
    raise OSError("disk is full")


def half_a_text(path: Path, text: str, encoding: str) -> None:
    path.write_bytes(text[: len(text) // 2].encode())
    raise OSError("disk is full")


@pytest.mark.parametrize(
    ("owner", "method", "fail"),
    [(csv.DictWriter, "writerows", half_a_table), (Path, "write_text", half_a_text)],
    ids=["csv", "text"],
)
def test_a_write_that_fails_leaves_the_old_files(
    owner: type, method: str, fail: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_outcome(tmp_path, SETTINGS, [run("full", 0)], [], "accuracy", pictures=False)
    before = {name: (tmp_path / name).read_text() for name in TEXTS}
    monkeypatch.setattr(owner, method, fail)
    with pytest.raises(OSError, match="disk is full"):
        write_outcome(tmp_path, {}, [run("full", 0)], [], "accuracy", pictures=False)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
