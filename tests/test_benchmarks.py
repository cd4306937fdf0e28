"""The benchmarks run, on data made here, and compare what they say they compare."""

import importlib
import math
import re
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from data_select_gym.tasks import Task, make_task

from .tasks.written_cifar import draw, write_binary

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SMALL = ["--samples", "64", "--batch-size", "4", "--repeats", "2", "--device", "cpu"]  # two pools of 32

RunRecord = Callable[..., str]


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cifar10")
    for seed in range(6):
        write_binary(folder / ("test_batch.bin" if seed == 0 else f"data_batch_{seed}.bin"), *draw(40, seed))
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunRecord:
    """Runs a script with arguments and gives what it prints."""
    monkeypatch.syspath_prepend(BENCHMARKS)  # as Python does for a script

    def run(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def rows_of(printed: str) -> list[list[str]]:
    """The cells of all rows of all tables, without their heads."""
    lines = [line.strip("|").split("|") for line in printed.splitlines() if line.startswith("| ")]
    rules = [number for number, cells in enumerate(lines) if set("".join(cells)) <= set("-: ")]
    heads = {*rules, *(number - 1 for number in rules)}
    return [[cell.strip() for cell in cells] for number, cells in enumerate(lines) if number not in heads]


def figures(cells: list[str]) -> list[float]:
    return [float(re.match(r"[\d.]+", cell).group()) for cell in cells]  # type: ignore[union-attr]


@pytest.mark.slow
def test_overhead_has_the_environment_and_its_view_over_a_loop_by_hand(run: RunRecord, cifar: Path) -> None:
    printed = run("overhead", "--data-dir", str(cifar), *SMALL)
    rows = rows_of(printed)
    names = ["by hand", "environment", "samplewise view", "environment", "samplewise view"]
    assert [row[0] for row in rows] == names
    assert figures(rows[0][1:])[1] == 1
    assert all(figure > 0 for row in rows for figure in figures(row[1:3]))
    assert (
        "overhead.py: epochs 1, model small-cnn, precision float32, batch size 4, samples 64, repeats 2; cpu" in printed
    )


@pytest.mark.slow
def test_the_loop_by_hand_makes_as_many_updates_as_the_environment(
    module: Callable[[str], ModuleType], cifar: Path
) -> None:
    task, made = make_task("cifar10", data_dir=cifar, batch_size=4, epochs=2), []

    def counted(parameters: Any) -> torch.optim.Optimizer:
        made.append(task.recipe.optimizer(parameters))
        made[-1].updates = 0
        made[-1].register_step_post_hook(count)
        return made[-1]

    def count(optimizer: Any, *arguments: Any) -> None:
        optimizer.updates += 1

    watched: Task = replace(task, recipe=replace(task.recipe, optimizer=counted))
    for way in module("overhead").WAYS.values():
        way(watched, torch.device("cpu"))
    # 192 images are six pools of eight minibatches.
    assert [optimizer.updates for optimizer in made] == [96, 96, 96]


@pytest.mark.slow
def test_savings_has_a_row_for_each_policy_and_its_parts(run: RunRecord, cifar: Path) -> None:
    given = ["--policies", "random,data-agent-paper", "--keep-ratio", "0.25", "--repeats", "1", *SMALL[:4]]
    rows = rows_of(run("savings", "--data-dir", str(cifar), *given, "--device", "cpu"))
    assert [tuple(row[:2]) for row in rows] == [("random", "0.25"), ("data-agent-paper", "0.25")] * 2
    for row in rows[:2]:
        share, full, pruned, ratio, over = figures(row[2:])
        assert share == 0.25
        assert ratio == pytest.approx(pruned / full, rel=0.1) and over == pytest.approx(ratio / share, rel=0.1)
    for row in rows[2:]:
        assert sum(figures(row[2:])) == pytest.approx(100, abs=0.5)
    of_the_rule, of_the_agent = (figures(row[2:])[-1] for row in rows[2:])
    assert of_the_rule == 0 and of_the_agent > 0


@pytest.mark.slow
def test_time_to_quality_has_seconds_and_cost_for_each_policy(run: RunRecord, cifar: Path) -> None:
    given = ["--policies", "full,random", "--targets", "0,1.1", "--epochs", "4"]
    rows = rows_of(run("time_to_quality", "--data-dir", str(cifar), *given, *SMALL))
    assert [row[0] for row in rows] == ["full", "random"] * 2
    assert all(row[2] == "-" for row in rows)
    for row in rows[:2]:
        assert 0 < figures(row[1:2])[0] <= figures(row[3:4])[0]
    # Any accuracy counts for the target 0, so that of the first epoch.
    assert [row[1] for row in rows[2:]] == ["0.250", "0.250"]
    assert [row[3] for row in rows[2:]] == ["1.000", "0.750"]


def test_the_first_evaluation_that_reaches_a_target_counts(module: Callable[[str], ModuleType]) -> None:
    script = module("time_to_quality")
    curve = [script.Point(10.0, 0.1, 0.5), script.Point(20.0, 0.2, 0.7), script.Point(30.0, 0.3, 0.6)]
    assert script.reached(curve, 0.6).seconds == 20
    assert script.reached(curve, 0.5).cost == 0.1
    assert math.isinf(script.reached(curve, 0.71).seconds)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([2.0, 1.0, 4.0], "2.000 (1.000 to 4.000)"),
        ([1.0], "1.000"),
        ([1.0, math.inf, 2.0], "2.000 (1.000 to -)"),
        ([1.0, math.inf], "- (1.000 to -)"),
        ([math.inf, math.inf], "-"),
    ],
)
def test_a_spread_is_the_median_with_lowest_and_highest(
    module: Callable[[str], ModuleType], values: list[float], shown: str
) -> None:
    assert module("measuring").spread(values) == shown


def test_scale_has_a_row_for_each_size(run: RunRecord) -> None:
    rows = rows_of(run("scale", "--samples", "100", "2000", "--pool-sizes", "64", "512", "--repeats", "3"))
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("100", "64", "36"),
        ("2,000", "64", "36"),
        ("2,000", "512", "36"),
    ]
    assert rows[0][-1] == rows[2][-1] == "1.00"


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.filterwarnings("ignore:This DataLoader will create", "ignore:.*multi-threaded, use of fork")
def test_image_folder_opens_half_of_the_files_for_half_of_the_samples(
    module: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    workers: str,
) -> None:
    script = module("image_folder")
    monkeypatch.setattr(script, "MOST_SECONDS", math.inf)  # so few images say nothing of it
    given = ["--images", "100", "--image-size", "16", "--batch-size", "8", "--pool-size", "32", "--repeats", "2"]
    monkeypatch.setattr(sys, "argv", ["image_folder.py", *given, "--workers", workers, "--device", "cpu"])
    script.main()
    rows = rows_of(capsys.readouterr().out)
    # Of 96 images three pools; the task looks at two before, and so does the run.
    assert [row[:2] for row in rows] == [["warm-up", "100"], ["full", "96"], ["random", "48"]]
    assert all(0 < waited < seconds for seconds, waited in (figures(row[3:]) for row in rows))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_resets_looks_at_the_memory(run: RunRecord) -> None:
    threads = torch.get_num_threads()
    try:
        printed = run("resets", "--resets", "2", "--every", "1", "--growth", "1000")
    finally:
        torch.set_num_threads(threads)
    assert "the memory grew by" in printed and "2 resets" in printed
