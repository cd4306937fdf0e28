import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.experiments import RunRecord, compare
from data_select_gym.experiments.charts.seconds import seconds_by_part
from data_select_gym.experiments.page import make_page
from data_select_gym.experiments.result_files import write_outcome
from data_select_gym.phase_timer import PHASES

from .comparisons import comparison
from .made_runs import SETTINGS, run

pytestmark = pytest.mark.usefixtures("without_pictures")

NOTHING = dict.fromkeys(PHASES, 0.0)


def with_parts(policy: str, seed: int = 0, **parts: float) -> RunRecord:
    return run(policy, seed, seconds_by_part=NOTHING | parts)


def test_a_comparison_tells_what_the_seconds_went_to(tmp_path: Path) -> None:
    (finished,) = compare(comparison(tmp_path, policies={"random": "random"}, seeds=1)).runs
    parts = finished.result.seconds_by_part
    assert list(parts) == list(PHASES)
    assert min(parts[name] for name in ("load", "train", "evaluate", "policy")) > 0
    assert 0.5 * finished.result.seconds < sum(parts.values()) <= finished.result.seconds
    told = json.loads((tmp_path / "results.json").read_text())["runs"][0]["result"]["seconds_by_part"]
    assert told == parts


def test_rows_are_means_over_the_seeds_and_colours_are_shares() -> None:
    runs = [with_parts("a", 0, train=1.0, update=1.0), with_parts("a", 1, train=3.0), with_parts("b", 0, train=2.0)]
    table = seconds_by_part([*runs, run("old")])
    assert table is not None
    assert table.parts == {name: PHASES[name] for name in ("train", "update")}
    assert [(row.policy, row.cells) for row in table.rows] == [
        ("a", [(2.0, 0.8), (0.5, 0.2)]),
        ("b", [(2.0, 1.0), (0.0, 0.0)]),
    ]


def test_without_seconds_by_part_there_is_no_table() -> None:
    assert seconds_by_part([run("old")]) is None
    assert seconds_by_part([with_parts("empty")]) is None
    assert "What the seconds went to" not in make_page(SETTINGS, [run("old")], [], "accuracy")


def test_the_page_has_a_table_of_them() -> None:
    page = make_page(SETTINGS, [with_parts("a", train=1.25, update=0.5)], [], "accuracy")
    assert "What the seconds went to" in page
    assert ">1.25<" in page
    assert f"<li>train: {PHASES['train']}.</li>" in page
    assert "<li>look:" not in page


def test_the_csv_file_has_a_column_for_each_part(tmp_path: Path) -> None:
    write_outcome(tmp_path, SETTINGS, [with_parts("a", train=1.25), run("old")], [], "accuracy", pictures=False)
    header, new, old = (line.split(",") for line in (tmp_path / "results.csv").read_text().splitlines())
    assert new[header.index("seconds_train")] == "1.25"
    assert old[header.index("seconds_train")] == ""


def test_an_old_run_has_none_and_is_read_all_the_same() -> None:
    values = asdict(run("old"))
    del values["result"]["seconds_by_part"]
    assert RunRecord.from_dict(values).result.seconds_by_part == {}


@pytest.mark.parametrize("wrong", [3, None, [], {"train": 1.0}, NOTHING | {"train": None}, NOTHING | {"train": "1"}])
def test_what_are_no_seconds_by_part_is_refused(wrong: Any) -> None:
    values = asdict(run("a"))
    values["result"]["seconds_by_part"] = wrong
    with pytest.raises(ValueError, match="seconds_by_part"):
        RunRecord.from_dict(values)
