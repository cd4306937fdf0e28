import json
import math
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from data_select_gym.experiments import RunRecord, compare, make_markdown, make_table, summarise
from data_select_gym.experiments.charts.class_quality import quality_by_class
from data_select_gym.experiments.page import make_page
from data_select_gym.experiments.result_files import write_outcome
from data_select_gym.experiments.run_files import RunFiles

from .comparisons import comparison
from .made_runs import SETTINGS, run


def with_classes(policy: str, seed: int, by_class: list[float | None], **values: Any) -> RunRecord:
    known = [value for value in by_class if value is not None]
    return replace(run(policy, seed, worst_class=min(known), **values), by_class=by_class)


RUNS = [
    with_classes("full", 0, [0.9, None, 0.5]),
    with_classes("full", 1, [0.7, None, 0.7]),
    with_classes("mine", 0, [1.0, None, 0.2]),
    with_classes("mine", 1, [1.0, None, 0.4]),
]


def test_a_comparison_finds_the_quality_of_each_class(tmp_path: Path) -> None:
    options = {"epochs": 4, "pool_size": 160, "imbalance_factor": 5, "balance_classes": True}
    outcome = compare(comparison(tmp_path, policies={"full": "full", "random": "random"}, options=options, seeds=1))
    for each in outcome.runs:
        assert len(each.by_class) == 10
        assert each.result.worst_class == min(value for value in each.by_class if value is not None)
    read = json.loads((tmp_path / "results.json").read_text())
    assert read["runs"][0]["by_class"] == outcome.runs[0].by_class
    assert read["summaries"][0]["worst_class"] == outcome.runs[0].result.worst_class
    assert "worst class" in (tmp_path / "table.md").read_text()
    assert "Quality by class" in (tmp_path / "page.html").read_text()


def test_the_worst_class_is_the_mean_over_the_seeds() -> None:
    full, mine = summarise(RUNS)
    assert (full.worst_class, mine.worst_class) == (pytest.approx(0.6), pytest.approx(0.3))
    (alone,) = summarise([run("full", 0)])
    assert alone.worst_class is None


def test_the_table_tells_it_where_it_is_known() -> None:
    header, _, full, mine = make_markdown(summarise([*RUNS[:2], run("mine", 0)]), "accuracy").splitlines()[:4]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (header, full, mine)]
    assert [row[4] for row in cells] == ["worst class", "0.6000", "-"]
    assert "worst class" not in make_markdown(summarise([run("full", 0)]), "accuracy")


def test_a_terminal_has_no_room_for_it() -> None:
    told = StringIO()
    Console(width=100, file=told).print(make_table(summarise(RUNS), "accuracy", "digits"))
    assert "full" in told.getvalue() and "worst" not in told.getvalue()


def test_rows_are_means_over_the_seeds_and_the_lowest_is_the_strongest() -> None:
    shown = quality_by_class(RUNS)
    assert shown is not None and (shown.classes, shown.judge) == ([0, 2], None)
    full, mine = shown.rows
    assert (full.policy, mine.policy) == ("full", "mine")
    assert [value for value, _ in full.cells] == pytest.approx([0.8, 0.6])
    assert [strength for _, strength in full.cells] == pytest.approx([0.2 / 0.7, 0.4 / 0.7])
    assert mine.cells == [(pytest.approx(1.0), pytest.approx(0)), (pytest.approx(0.3), pytest.approx(1))]


@pytest.mark.parametrize(("policies", "judge"), [(("mine", "full"), "full"), (("other", "mine"), "other")])
def test_of_many_classes_the_ten_worst_of_full_are_shown(policies: tuple[str, str], judge: str) -> None:
    rising = [number / 40 for number in range(40)]
    order = {judge: rising, next(name for name in policies if name != judge): rising[::-1]}
    shown = quality_by_class([with_classes(name, 0, list(order[name])) for name in policies])
    assert shown is not None and (shown.classes, shown.judge) == (list(range(10)), judge)
    assert [row.policy for row in shown.rows] == list(policies)
    thirty = quality_by_class([with_classes("full", 0, list(rising[:30]))])
    assert thirty is not None and (len(thirty.classes), thirty.judge) == (30, None)


def test_the_page_has_a_table_of_it() -> None:
    page = make_page(SETTINGS, RUNS, [], "accuracy")
    part = page.partition("Quality by class")[2].partition("<h2>")[0]
    assert part.count("<tr>") == 3
    for told in ('<th scope="col">0</th>', '<th scope="col">2</th>', ">0.80<", ">0.60<", ">1.00<", ">0.30<"):
        assert told in part, told
    assert '<th scope="col">1</th>' not in part
    many = make_page(SETTINGS, [with_classes("mine", 0, [0.5] * 100)], [], "accuracy")
    assert "the 10 classes that are worst with <i>mine</i>" in many
    assert "Quality by class" not in make_page(SETTINGS, [run("full", 0)], [], "accuracy")


@pytest.mark.slow
def test_an_old_run_has_no_quality_by_class_and_a_comparison_goes_on_with_it(tmp_path: Path) -> None:
    values = asdict(run("full"))
    del values["by_class"], values["result"]["worst_class"]
    assert RunRecord.from_dict(values) == run("full")
    options: dict[str, Any] = {"policies": {"full": "full"}, "seeds": 2}
    first = compare(comparison(tmp_path, **options))
    files = RunFiles(tmp_path)
    (path, _) = sorted((files.out / "runs").iterdir())
    old = json.loads(path.read_text())
    del old["by_class"], old["result"]["worst_class"]
    path.write_text(json.dumps(old))
    second = compare(comparison(tmp_path, **options))
    assert second.reused == 2
    assert (second.runs[0].by_class, second.runs[0].result.worst_class) == ([], None)
    assert second.runs[1] == first.runs[1]
    assert "Quality by class" in (tmp_path / "page.html").read_text()


def test_a_class_without_samples_is_read_back_as_one_and_a_number_that_is_none_is_not_needed(tmp_path: Path) -> None:
    assert RunRecord.from_dict(json.loads(json.dumps(asdict(RUNS[0])))) == RUNS[0]
    write_outcome(tmp_path, SETTINGS, RUNS, [], "accuracy", pictures=False)
    read = json.loads((tmp_path / "results.json").read_text())
    assert [RunRecord.from_dict(values) for values in read["runs"]] == RUNS
    assert math.isclose(read["summaries"][1]["worst_class"], 0.3)
