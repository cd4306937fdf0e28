"""What a comparison says of the environments that policies got."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from data_select_gym.agents import InfoBatch
from data_select_gym.experiments import compare
from data_select_gym.experiments.command_line import only_in_python
from data_select_gym.rewards import rank

from .comparisons import comparison, keep_hard

pytestmark = pytest.mark.usefixtures("without_pictures")

AGENTS = {"agent": "data-agent", "paper": "data-agent-paper", "random": "random"}
SHORT = {"epochs": 4, "pool_size": 160, "batch_size": 64}


def test_what_a_policy_needs_instead_of_the_options_is_recorded(tmp_path: Path) -> None:
    made = comparison(tmp_path, policies=AGENTS, keep_ratios=(0.5, 0.25), options=SHORT | {"reward": "difficulty"})
    environments = json.loads(json.dumps(made.settings()))["environments"]
    assert environments.keys() == {"agent", "paper"}
    assert environments["paper"] == {
        ratio: {"features": ["embedding"], "reward": "minibatch-composite"} for ratio in ("0.5", "0.25")
    }
    own = environments["agent"]["0.25"]
    assert own.keys() == {"features", "anneal_fraction", "keep_ratio"}
    # A quarter of two epochs and one of annealing, over three.
    assert own["keep_ratio"] == pytest.approx(0.5)


@pytest.mark.slow
def test_a_warning_tells_once_of_an_option_that_a_policy_needs_another_value_of(tmp_path: Path) -> None:
    options = SHORT | {"reward": "difficulty", "anneal_fraction": 0.25}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compare(comparison(tmp_path, policies=AGENTS, keep_ratios=(0.5, 0.25), seeds=1, options=options))
    told = sorted(str(warning.message) for warning in caught if " was given, and " in str(warning.message))
    assert told == [
        "agent: anneal_fraction=0.25 was given, and anneal_fraction=0.0 is used, which the policy needs",
        "paper: reward='difficulty' was given, and reward='minibatch-composite' is used, which the policy needs",
    ]
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["environments"]["paper"]["0.5"]["reward"] == "minibatch-composite"


def test_no_warning_tells_of_what_a_policy_does_not_read(tmp_path: Path) -> None:
    policies = {name: name for name in ("full", "full-equal-cost", "random", "static-random", "ppo", "low-loss")}
    options = {"epochs": 30, "reward": "priced-alignment", "observe": "fresh"}
    comparison(tmp_path, policies=policies, options=options).check_policies()


def test_full_at_equal_cost_takes_no_other_policy_along(tmp_path: Path) -> None:
    policies = {"full": "full", "random": "random", "shortened": "full-equal-cost"}
    options = {"epochs": 4, "pool_size": 1149, "batch_size": 64}
    outcome = compare(comparison(tmp_path, policies=policies, keep_ratios=(0.1,), seeds=1, options=options))
    assert [run.result.cost for run in outcome.runs] == pytest.approx([1.0, 0.55, 0.5], abs=0.001)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* was given, and ")
def test_full_data_costs_one_and_budgets_are_equal_where_looks_are_charged(tmp_path: Path) -> None:
    policies = {name: name for name in ("full", "full-equal-cost", "top-loss", "data-agent")}
    options = {"epochs": 6, "pool_size": 128, "batch_size": 64, "observe": "fresh"}
    outcome = compare(comparison(tmp_path, policies=policies, seeds=1, options=options))
    costs = {run.policy: run.result.cost for run in outcome.runs}
    # Of six epochs four are selected from: two in full, and of the others a half and a third for looks.
    budget = (2 + 4 * (1 / 2 + 1 / 3)) / 6
    assert costs["full"] == 1
    for name in ("full-equal-cost", "top-loss", "data-agent"):
        assert costs[name] == pytest.approx(budget, abs=0.01), name


@pytest.mark.parametrize(
    ("policies", "options", "told"),
    [
        ({"full": "full", "ppo": "models/ppo.zip", "td3": Path("td3.zip")}, {"data_dir": Path("x"), "epochs": 3}, []),
        ({"a/x.zip": "a/x.zip", "b/x.zip": "b/x.zip"}, {"features": ("loss", "age")}, []),
        ({"my.module:rule": "my.module:rule"}, {"reward": {"difficulty": 1.0}}, []),
        ({"mine": "random", "random": "random"}, {}, ["policies['mine']"]),
        ({"mine": InfoBatch(0.8), "other": keep_hard}, {}, ["policies['mine']", "policies['other']"]),
        ({"a,b": "a,b.zip", "full": "full"}, {"reward": rank}, ["policies['a,b']", "options['reward']"]),
    ],
)
def test_what_no_command_can_name(policies: dict[str, Any], options: dict[str, Any], told: list[str]) -> None:
    assert only_in_python(policies, options) == told
