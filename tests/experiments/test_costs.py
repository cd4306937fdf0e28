"""Comparisons at a cost, from which each policy's keep ratio follows."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.cli import make_parser
from data_select_gym.experiments import RunKey, compare, summarise
from data_select_gym.experiments.command_line import repeat_command
from data_select_gym.experiments.comparison_spec import Comparison
from data_select_gym.experiments.run_files import read_settings

from .comparisons import comparison

pytestmark = pytest.mark.usefixtures("without_pictures")

POLICIES = {name: name for name in ("full", "full-equal-cost", "random", "top-loss", "data-agent")}


def at_costs(out: Path, *costs: float, **changes: Any) -> Comparison:
    return comparison(out, policies=POLICIES, keep_ratios=(), costs=costs, seeds=1, **changes)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* was given, and ")
def test_every_policy_costs_what_was_asked_for_and_goes_on_with_what_is_done(tmp_path: Path) -> None:
    options = {"epochs": 6, "pool_size": 160, "batch_size": 64, "observe": "fresh"}
    outcome = compare(at_costs(tmp_path, 0.6, options=options))
    assert [(run.policy, run.asked_cost) for run in outcome.runs] == [
        (name, None if name == "full" else 0.6) for name in POLICIES
    ]
    assert [run.result.cost for run in outcome.runs] == pytest.approx([1.0, 0.6, 0.6, 0.6, 0.6], abs=0.02)
    ratios = {run.policy: run.keep_ratio for run in outcome.runs}
    # A third of a pool is what a look at it costs; the agent looks, but does not anneal.
    assert ratios["random"] == pytest.approx(0.4)
    assert ratios["top-loss"] == pytest.approx(0.4 - 1 / 3)
    assert 0.1 < ratios["data-agent"] < 0.2
    assert summarise(outcome.runs)[-1].to_random is not None
    page = (tmp_path / "page.html").read_text()
    assert "Meant to be spent: 0.6 of the cost of training on" in page
    assert "| cost asked |" in (tmp_path / "table.md").read_text()
    again = compare(at_costs(tmp_path, 0.6, options=options))
    assert (again.reused, again.runs) == (5, outcome.runs)


def test_the_settings_and_the_command_name_the_costs(tmp_path: Path) -> None:
    made = at_costs(tmp_path, 0.7, 0.9)
    settings = json.loads(json.dumps(made.settings()))
    assert (settings["keep_ratios"], settings["costs"]) == ([], [0.7, 0.9])
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert read_settings(tmp_path)["costs"] == [0.7, 0.9]
    command = repeat_command(settings)
    assert command is not None and "--cost 0.7,0.9" in command and "--keep-ratio" not in command
    parsed = make_parser().parse_args(shlex.split(command)[1:])
    assert (parsed.cost, parsed.keep_ratio) == ((0.7, 0.9), None)


def test_runs_at_a_cost_are_known_by_it(tmp_path: Path) -> None:
    planned = at_costs(tmp_path, 0.7, 0.9).planned
    assert [str(key) for key in planned[:3]] == [
        *("full, keep ratio 1, seed 0", "full-equal-cost, cost 0.7, seed 0", "full-equal-cost, cost 0.9, seed 0")
    ]
    assert len({key.name for key in planned}) == len(planned) == 9
    assert planned[1].name == "full-equal-cost-cost_0.7-seed_0"
    assert replace(planned[1], cost=None) == RunKey("full-equal-cost", 0.7, 0)


def test_a_cost_that_a_policy_cannot_have_is_told_before_anything_is_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^random: cost=0\.3 is out of reach: a run costs from 0\.50\d to 1"):
        compare(at_costs(tmp_path, 0.3))
    assert list(tmp_path.iterdir()) == []


def test_keep_ratios_and_costs_are_not_both_taken(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^keep_ratios=\(0\.5,\) and costs=\(0\.5,\): one follows from the other"):
        comparison(tmp_path, costs=(0.5,))
