import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from data_select_gym.agents import InfoBatch, make_policy, run_policy
from data_select_gym.experiments import RunKey, compare, summarise

from .comparisons import POLICIES, comparison, keep_hard, untimed

pytestmark = pytest.mark.usefixtures("without_pictures")


class Whole:
    """A whole comparison, its folder, and the calls of ``on_pool``."""

    def __init__(self, out: Path) -> None:
        self.calls: list[tuple[RunKey, float]] = []
        self.comparison = comparison(out)
        self.runs = compare(self.comparison, on_pool=lambda *call: self.calls.append(call)).runs
        self.out = out


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(tmp_path_factory.mktemp("comparison") / "new" / "folder")


def test_every_policy_runs_on_every_seed(outcome: Whole) -> None:
    assert [(run.policy, run.result.seed) for run in outcome.runs] == [
        (name, seed) for seed in (0, 1) for name in POLICIES
    ]
    assert [summary.seeds for summary in summarise(outcome.runs)] == [2] * 4


def test_each_run_is_the_one_that_the_policy_drives_by_itself(outcome: Whole) -> None:
    for name, policy in POLICIES.items():
        made = make_policy(policy)
        (run,) = [run for run in outcome.runs if (run.policy, run.result.seed) == (name, 1)]
        alone = run_policy(made, outcome.comparison.make_env(RunKey(name, run.keep_ratio, 1)), 1)
        assert untimed([run])[0].result == replace(alone, seconds=0.0, agent_seconds=0.0)


def test_a_policy_gets_the_environment_that_it_needs(outcome: Whole) -> None:
    costs = {run.policy: run.result.cost for run in outcome.runs}
    # One epoch of warm-up, one of annealing, and half of the two between them: 3 of 4.
    assert costs == {"full": 1.0, "shortened": 0.75, "mine": 0.75, "agent": 0.75}


def test_a_curve_has_a_point_for_each_evaluation(outcome: Whole) -> None:
    for run in outcome.runs:
        assert [point["epoch"] for point in run.curve] == list(range(1, 4 if run.policy == "shortened" else 5))
        assert run.curve[-1]["cost"] == run.result.cost
        assert run.curve[-1]["progress"] == 1
        assert run.curve[-1]["test_accuracy"] == run.result.quality
        assert run.curve[-1]["val_accuracy"] == run.result.validation
        assert "test_accuracy" not in run.curve[0]
    shares = {run.policy: run.keep_fractions for run in outcome.runs}
    assert shares["full"] == [1.0] * 16
    assert shares["agent"] == [0.5] * 16


def test_every_pool_is_told_and_the_end_of_every_run(outcome: Whole) -> None:
    keys = outcome.comparison.planned
    assert [key for key, share in outcome.calls if share == 1] == [key for key in keys for _ in range(2)]
    # Eight pools in each of four epochs, or in three of the shortened run; and the end.
    assert Counter(key for key, _ in outcome.calls) == {key: 25 if key.policy == "shortened" else 33 for key in keys}
    shares = [share for key, share in outcome.calls if key == RunKey("mine", 0.5, 1)]
    assert shares == [*(number / 32 for number in range(1, 33)), 1]


def test_the_outcome_is_written(outcome: Whole) -> None:
    names = {path.name for path in outcome.out.iterdir()}
    assert names == {
        *("results.csv", "results.json", "table.md", "page.html", "quality_vs_cost.png", "curves.png"),
        *("settings.json", "runs", "tensorboard"),
    }
    for picture in ("quality_vs_cost.png", "curves.png"):
        assert (outcome.out / picture).read_bytes().startswith(b"\x89PNG")
    with (outcome.out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["policy"], int(row["seed"]), float(row["test_quality"])) for row in rows] == [
        (run.policy, run.result.seed, run.result.quality) for run in outcome.runs
    ]
    table = (outcome.out / "table.md").read_text()
    assert all(f"\n| {name} |" in table for name in POLICIES)


def test_settings_say_how_to_repeat_it(outcome: Whole) -> None:
    content = json.loads((outcome.out / "results.json").read_text())
    settings = content["settings"]
    assert settings["env"] == "DataSelect/Digits-v0"
    own = f"{keep_hard.__module__}:keep_hard"
    assert settings["policies"] == {**POLICIES, "mine": own}
    assert (settings["keep_ratios"], settings["seeds"], settings["jobs"]) == ([0.5], 2, 1)
    assert settings["options"] == {"epochs": 4, "pool_size": 160, "batch_size": 64}
    assert settings["versions"]["gymnasium"] == gym.__version__
    assert len(content["runs"]) == 8
    assert json.loads((outcome.out / "settings.json").read_text()) == settings


def test_numbers_of_numpys_are_told_as_numbers(tmp_path: Path) -> None:
    options = {"epochs": np.int64(4), "pool_size": np.int32(160), "anneal_fraction": np.float32(0.25)}
    made = comparison(tmp_path, options=options, seeds=np.int64(2), jobs=np.int8(1), keep_ratios=[np.float32(0.5)])
    settings = made.settings()
    assert settings["options"] == {"epochs": 4, "pool_size": 160, "anneal_fraction": 0.25}
    assert (settings["seeds"], settings["jobs"], settings["keep_ratios"]) == (2, 1, [0.5])
    assert not [what for what in settings["only_in_python"] if what.startswith("options")]


def test_tensorboard_has_a_folder_for_each_run(outcome: Whole) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = outcome.out / "tensorboard"
    curves = [path.parent for path in folder.rglob("events.out.tfevents.*") if "hparams" not in path.parts]
    assert sorted(path.relative_to(folder).parts for path in curves) == sorted(
        (key.name, "run_1") for key in outcome.comparison.planned
    )
    mine = EventAccumulator(str(folder / "mine-keep_0.5-seed_1" / "run_1"))
    mine.Reload()
    assert [event.value for event in mine.Scalars("step/keep_fraction")] == pytest.approx([0.5] * 16, abs=0.01)
    (run,) = [run for run in outcome.runs if (run.policy, run.result.seed) == ("mine", 1)]
    assert mine.Scalars("eval/test_accuracy")[-1].value == pytest.approx(run.result.quality)


@pytest.mark.slow
def test_the_same_comparison_gives_the_same_numbers(outcome: Whole, tmp_path: Path) -> None:
    again = compare(comparison(tmp_path / "again"))
    assert (untimed(again.runs), again.failures, again.reused) == (untimed(outcome.runs), [], 0)


def test_files_are_there_after_every_run(tmp_path: Path) -> None:
    done: list[int] = []

    def look(key: RunKey, share: float) -> None:
        if share == 1 / 32:
            file = tmp_path / "results.json"
            done.append(len(json.loads(file.read_text())["runs"]) if file.exists() else 0)
            assert len(list((tmp_path / "runs").iterdir())) == done[-1]

    compare(comparison(tmp_path, policies={"random": "random", "full": "full"}), on_pool=look)
    assert done == [0, 1, 2, 3]


def test_a_single_seed_without_full_can_be_compared(tmp_path: Path) -> None:
    (run,) = compare(comparison(tmp_path, policies={"infobatch": InfoBatch(prune_ratio=0.5)}, seeds=1)).runs
    assert 0.5 < run.result.keep_fraction < 1
    assert "| infobatch |" in (tmp_path / "table.md").read_text()


@pytest.mark.slow
def test_every_keep_ratio_is_run_but_only_once_where_it_makes_no_difference(tmp_path: Path) -> None:
    policies = {"full": "full", "mine": keep_hard, "random": "random", "shortened": "full-equal-cost"}
    options = {"epochs": 4, "pool_size": 160, "batch_size": 64}
    runs = compare(comparison(tmp_path, policies=policies, keep_ratios=[0.75, 0.25], options=options)).runs
    one_seed = [("full", 1.0), *((name, ratio) for name in ("mine", "random", "shortened") for ratio in (0.75, 0.25))]
    assert [(run.policy, run.keep_ratio, run.result.seed) for run in runs] == [
        (*which, seed) for seed in (0, 1) for which in one_seed
    ]
    # Two of four epochs are selected from.
    costs = {(run.policy, run.keep_ratio): run.result.cost for run in runs}
    assert costs[("random", 0.75)] == costs[("shortened", 0.75)] == 0.875
    assert costs[("random", 0.25)] == costs[("shortened", 0.25)] == 0.625


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policies": {"full": "full", "wrong": "no-such"}}, "policy='no-such' is not known"),
        ({"options": {"epochs": 0}}, "epochs=0"),
        ({"options": {"pool_size": 1}}, "pool_size=1"),
        ({"options": {"device": "abacus"}}, "device='abacus' cannot be used"),
        ({"policies": {"full": "full", "wrong": "no_such_module:thing"}}, "policy='no_such_module:thing'"),
    ],
)
def test_what_is_wrong_is_found_before_anything_is_run_or_written(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    calls: list[Any] = []
    with pytest.raises(ValueError, match=message):
        compare(comparison(tmp_path / "out", **changes), on_pool=lambda *call: calls.append(call))
    assert not (tmp_path / "out").exists()
    assert calls == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep_ratios": (0,)}, r"keep_ratios\[0\]=0 is not a number in \(0, 1\]"),
        ({"keep_ratios": (0.5, 1.5)}, r"keep_ratios\[1\]=1.5"),
        ({"keep_ratios": ()}, r"keep_ratios=\(\): at least one is needed"),
        ({"keep_ratios": (0.5, 0.3, 0.5)}, r"keep_ratios=\(0.5, 0.3, 0.5\): .* each only once"),
        ({"jobs": 0}, "jobs=0"),
        ({"seeds": 0}, "seeds=0"),
        ({"policies": {}}, r"policies=\{\} is empty"),
        ({"options": {"keep_ratio": 0.3}}, r"options\['keep_ratio'\]=0.3"),
        ({"options": {"tensorboard_log": "here"}}, r"options\['tensorboard_log'\]='here'"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        comparison(tmp_path, **changes)


def test_an_option_that_the_task_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        compare(comparison(tmp_path / "out", options={"colour": 1}))
    assert not (tmp_path / "out").exists()


def test_keep_ratios_are_a_sequence(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"keep_ratios=0.5 is not a sequence"):
        comparison(tmp_path, keep_ratios=0.5)


@pytest.mark.parametrize(
    "keys",
    [
        [RunKey("a/b", 0.5, 0), RunKey("a_b", 0.5, 0), RunKey("a:b", 0.5, 0)],
        [RunKey("full", 0.5, 0), RunKey("Full", 0.5, 0)],
        [RunKey("x" * 300 + "y", 0.5, 0), RunKey("x" * 300 + "z", 0.5, 0)],
        [RunKey("a", 0.3333333, 0), RunKey("a", 0.3333334, 0), RunKey("a", 0.3333333, 1)],
        [RunKey("..", 0.5, 0), RunKey("../..", 0.5, 0), RunKey("", 0.5, 0)],
        [RunKey("\udc80", 0.5, 0), RunKey("\udc81", 0.5, 0), RunKey("<ü>", 0.5, 0)],
    ],
    ids=lambda keys: ascii(keys[0].policy)[:8],
)
def test_no_two_runs_have_the_same_name_for_their_files(keys: list[RunKey], tmp_path: Path) -> None:
    assert len({key.name.lower() for key in keys}) == len(keys)
    for key in keys:
        (tmp_path / key.name).mkdir()
    assert len(list(tmp_path.iterdir())) == len(keys)
