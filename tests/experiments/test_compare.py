import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from data_select_gym.agents import InfoBatch, drive, make_policy
from data_select_gym.envs import make_joint
from data_select_gym.experiments import Comparison, Run, compare, summarise, total_pools
from data_select_gym.training import TrainingRun

Call = tuple[str, int, int]


def keep_hard(observation: NDArray[np.float32]) -> NDArray[np.bool_]:
    return observation[:, 0] >= np.median(observation[:, 0])


POLICIES = {"full": "full", "shortened": "full-equal-cost", "mine": keep_hard, "agent": "data-agent-paper"}


def comparison(out: Path, **changes: Any) -> Comparison:
    values: dict[str, Any] = {
        "env": "DataSelect/Digits-v0",
        "policies": POLICIES,
        "keep_ratio": 0.5,
        "seeds": 2,
        "out": out,
        "options": {"epochs": 4, "pool_size": 320},
    }
    return Comparison(**(values | changes))


class Outcome:
    """A whole comparison, its folder, and the calls of ``on_pool``."""

    def __init__(self, out: Path) -> None:
        self.calls: list[Call] = []
        self.comparison = comparison(out)
        self.runs = compare(self.comparison, on_pool=self.note)
        self.out = out

    def note(self, policy: str, seed: int, run: TrainingRun) -> None:
        self.calls.append((policy, seed, run.pool_number))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return Outcome(tmp_path_factory.mktemp("comparison") / "new" / "folder")


def untimed(runs: list[Run]) -> list[Run]:
    return [replace(run, result=replace(run.result, seconds=0.0, agent_seconds=0.0)) for run in runs]


def test_every_policy_runs_on_every_seed(outcome: Outcome) -> None:
    assert [(run.policy, run.result.seed) for run in outcome.runs] == [
        (name, seed) for seed in (0, 1) for name in POLICIES
    ]
    assert [summary.seeds for summary in summarise(outcome.runs)] == [2] * 4


def test_each_run_is_the_one_that_the_policy_drives_by_itself(outcome: Outcome) -> None:
    for name, policy in POLICIES.items():
        made = make_policy(policy)
        alone = drive(made, outcome.comparison.make_env(made), 1)
        (run,) = [run for run in outcome.runs if (run.policy, run.result.seed) == (name, 1)]
        assert untimed([run])[0].result == replace(alone, seconds=0.0, agent_seconds=0.0)


def test_a_policy_gets_the_environment_that_it_needs(outcome: Outcome) -> None:
    costs = {run.policy: run.result.cost for run in outcome.runs}
    # One epoch of warm-up, one of annealing, and half of the two between them: 3 of 4.
    assert costs == {"full": 1.0, "shortened": 0.75, "mine": 0.75, "agent": 0.75}


def test_a_curve_has_a_point_for_each_evaluation(outcome: Outcome) -> None:
    for run in outcome.runs:
        assert [point["epoch"] for point in run.curve] == list(range(1, 4 if run.policy == "shortened" else 5))
        assert run.curve[-1]["cost"] == run.result.cost
        assert run.curve[-1]["progress"] == 1
        assert run.curve[-1]["test_accuracy"] == run.result.quality
        assert run.curve[-1]["val_accuracy"] == run.result.validation
        assert "test_accuracy" not in run.curve[0]
    shares = {run.policy: run.keep_fractions for run in outcome.runs}
    assert shares["full"] == [1.0] * 8
    assert shares["agent"] == [0.5] * 8


def test_every_pool_is_told(outcome: Outcome) -> None:
    assert len(outcome.calls) == total_pools(outcome.comparison) == 2 * (3 * 16 + 12)
    assert Counter((name, seed) for name, seed, _ in outcome.calls) == {
        (name, seed): 12 if name == "shortened" else 16 for name in POLICIES for seed in (0, 1)
    }
    assert [number for name, seed, number in outcome.calls if (name, seed) == ("mine", 1)] == list(range(1, 17))


def test_the_outcome_is_written(outcome: Outcome) -> None:
    names = {path.name for path in outcome.out.iterdir()}
    assert names == {
        *("results.csv", "results.json", "table.md", "quality_vs_cost.png", "curves.png", "tensorboard"),
    }
    for picture in ("quality_vs_cost.png", "curves.png"):
        assert (outcome.out / picture).read_bytes().startswith(b"\x89PNG")
    with (outcome.out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["policy"], int(row["seed"]), float(row["quality"])) for row in rows] == [
        (run.policy, run.result.seed, run.result.quality) for run in outcome.runs
    ]
    table = (outcome.out / "table.md").read_text()
    assert all(f"\n| {name} |" in table for name in POLICIES)


def test_settings_say_how_to_repeat_it(outcome: Outcome) -> None:
    content = json.loads((outcome.out / "results.json").read_text())
    settings = content["settings"]
    assert settings["env"] == "DataSelect/Digits-v0"
    assert settings["policies"] == list(POLICIES)
    assert (settings["keep_ratio"], settings["seeds"]) == (0.5, 2)
    assert settings["options"] == {"epochs": 4, "pool_size": 320}
    assert settings["versions"]["gymnasium"] == gym.__version__
    assert len(content["runs"]) == 8


def test_tensorboard_has_a_folder_for_each_run(outcome: Outcome) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folders = {path.parent for path in (outcome.out / "tensorboard").rglob("events.out.tfevents.*")}
    places = {path.relative_to(outcome.out / "tensorboard").parts[:2] for path in folders}
    assert places == {(name, f"seed_{seed}") for name in POLICIES for seed in (0, 1)}
    assert len(folders) == 8
    (mine,) = [folder for folder in folders if folder.parts[-3:-1] == ("mine", "seed_1")]
    curves = EventAccumulator(str(mine))
    curves.Reload()
    assert [event.value for event in curves.Scalars("step/keep_fraction")] == pytest.approx([0.5] * 8, abs=0.01)
    (run,) = [run for run in outcome.runs if (run.policy, run.result.seed) == ("mine", 1)]
    assert curves.Scalars("eval/test_accuracy")[-1].value == pytest.approx(run.result.quality)


def test_the_same_comparison_gives_the_same_numbers(outcome: Outcome, tmp_path: Path) -> None:
    again = compare(comparison(tmp_path / "again"))
    assert untimed(again) == untimed(outcome.runs)


def test_files_are_there_after_every_run(tmp_path: Path) -> None:
    done: list[int] = []

    def look(policy: str, seed: int, run: TrainingRun) -> None:
        if run.pool_number == 1:
            file = tmp_path / "results.json"
            done.append(len(json.loads(file.read_text())["runs"]) if file.exists() else 0)

    compare(comparison(tmp_path, policies={"random": "random", "full": "full"}), on_pool=look)
    assert done == [0, 1, 2, 3]


def test_a_single_seed_without_full_can_be_compared(tmp_path: Path) -> None:
    (run,) = compare(comparison(tmp_path, policies={"infobatch": InfoBatch(prune_ratio=0.5)}, seeds=1))
    assert 0.5 < run.result.keep_fraction < 1
    assert "| infobatch |" in (tmp_path / "table.md").read_text()
    assert json.loads((tmp_path / "results.json").read_text())["summaries"][0]["difference"] is None


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
        ({"keep_ratio": 0}, "keep_ratio=0"),
        ({"keep_ratio": 1.5}, "keep_ratio=1.5"),
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
    with pytest.raises(TypeError, match="unknown argument colour"):
        compare(comparison(tmp_path / "out", options={"colour": 1}))
    assert not (tmp_path / "out").exists()


def test_pools_are_counted_before_anything_is_run() -> None:
    plan = make_joint("DataSelect/Digits-v0", epochs=4, pool_size=320).plan
    assert total_pools(comparison(Path("unused"), policies={"full": "full"}, seeds=5)) == 5 * plan.total_pools
