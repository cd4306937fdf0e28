"""Every policy gets the environment that it needs, and is driven on no other one."""

from typing import Any

import gymnasium as gym
import pytest

from data_select_gym.agents import (
    Policy,
    available_policies,
    evaluate_runs,
    make_env,
    make_policy,
    run_policy,
)
from data_select_gym.envs import DataSelectEnv, as_base_env
from data_select_gym.envs.features import DEFAULT_FEATURES
from data_select_gym.training import Plan

from ..tiers import slow
from .mechanisms import by_mechanism

ID = "DataSelect/Digits-v0"
SHORT: dict[str, Any] = {"epochs": 4, "pool_size": 128, "batch_size": 32}
LOOKS: list[dict[str, Any]] = [
    {"observe": "fresh"},
    {"reward": "priced-alignment"},
    {"reward": "validation-gain"},
    {"observe": "fresh", "reward": {"alignment": 1.0, "validation-gain": 1.0}},
    {"features": ["loss", "alignment"]},
]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "full-equal-cost",
            r"^schedule_fraction=1\.0: this policy needs an environment with schedule_fraction=0\.75; .*make_env\(",
        ),
        ("data-agent-paper", r"^features=\('loss', .*\): this policy needs .* features=\('embedding',\)"),
        ("data-agent", r"^features=\('loss', .*\): this policy needs .* features=\('quality_rank', 'loss', "),
    ],
)
def test_an_environment_that_was_not_made_with_what_a_policy_needs_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_policy(make_policy(name), gym.make(ID, **SHORT), seed=0)
    with pytest.raises(ValueError, match=message):
        evaluate_runs(name, as_base_env(ID, **SHORT), [0])


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("data-agent-paper", {"reward": "composite"}, "reward='composite': .* reward='minibatch-composite'"),
        ("data-agent", {"anneal_fraction": 0.125}, r"anneal_fraction=0\.125: .* anneal_fraction=0\.0"),
        ("full-equal-cost", {"schedule_fraction": 0.8}, r"schedule_fraction=0\.8: .* schedule_fraction=0\.75"),
        ("random", {"observe": "fresh"}, "observe='fresh': .* observe='recorded'"),
        ("full", {"reward": "alignment"}, "reward='alignment': .* reward='priced-composite'"),
    ],
)
def test_each_argument_is_compared(name: str, wrong: dict[str, Any], message: str) -> None:
    policy = make_policy(name)
    needed = policy.required_config(as_base_env(ID, **SHORT).plan, 0.5)
    with pytest.raises(ValueError, match=message):
        run_policy(policy, as_base_env(ID, **(SHORT | needed | wrong)), seed=0)


@pytest.mark.parametrize("options", [{}, *LOOKS, {"schedule_fraction": 0.9}])
@pytest.mark.parametrize("name", available_policies())
@pytest.mark.filterwarnings("ignore:.* was given, and ")
def test_every_policy_is_served_by_the_environment_that_is_made_for_it(name: str, options: dict[str, Any]) -> None:
    policy = make_policy(name)
    policy.check(make_env(policy, ID, **(SHORT | options)))


def test_the_environment_has_what_was_given_and_what_the_policy_needs() -> None:
    env = make_env(make_policy("data-agent"), ID, keep_ratio=0.3, reward="difficulty", **SHORT)
    assert (env.features, env.reward_given) == (("quality_rank", *DEFAULT_FEATURES), "difficulty")
    # Of four epochs two select 0.3 and one is annealing; without it three select.
    assert env.keep_ratio == pytest.approx(1.6 / 3)
    assert env.plan.anneal_fraction == 0
    plain = make_env(make_policy("top-loss"), ID, keep_ratio=0.3, observe="fresh", **SHORT)
    assert (plain.keep_ratio, plain.observe, plain.features) == (0.3, "fresh", DEFAULT_FEATURES)


def test_a_policy_of_ones_own_gets_what_it_asks_for() -> None:
    class Own(Policy):
        def required_config(self, plan: Plan, keep_ratio: float) -> dict[str, Any]:
            return {"features": ["loss", "age"], "warmup_epochs": 2}

    env = make_env(Own(), ID, **SHORT)
    assert (env.features, env.plan.warmup_epochs) == (("loss", "age"), 2)
    Own().check(env)
    with pytest.raises(ValueError, match="warmup_epochs=1: this policy needs an environment with warmup_epochs=2"):
        Own().check(as_base_env(ID, features=["loss", "age"], **SHORT))


def test_a_warning_tells_of_an_option_that_the_policy_needs_another_value_of() -> None:
    policy = make_policy("data-agent-paper")
    with pytest.warns(
        UserWarning, match="reward='difficulty' was given, and reward='minibatch-composite' is used"
    ) as caught:
        env = make_env(policy, ID, reward="difficulty", features=("embedding",), **SHORT)
    assert len(caught) == 1 and env.reward_given == "minibatch-composite"


def cost_of(name: str, **options: Any) -> tuple[float, DataSelectEnv]:
    policy = make_policy(name)
    env = make_env(policy, ID, **(SHORT | options))
    return run_policy(policy, env, seed=0).cost, env


@pytest.mark.parametrize("options", [*map(slow, LOOKS[:3]), *LOOKS[3:]])
@pytest.mark.filterwarnings("ignore:.* was given, and ")
def test_a_policy_that_reads_nothing_pays_for_no_looks(options: dict[str, Any]) -> None:
    assert cost_of("full", **options)[0] == 1
    assert cost_of("random", **options)[0] == cost_of("static-random")[0] == 0.75


@pytest.mark.parametrize("options", [*map(slow, LOOKS[:3]), *LOOKS[3:]])
@pytest.mark.filterwarnings("ignore:.* was given, and ")
def test_equal_cost_is_that_of_a_rule_with_its_looks(options: dict[str, Any]) -> None:
    keep_ratio = 0.3
    budget, env = cost_of("top-loss", keep_ratio=keep_ratio, **options)
    assert budget == pytest.approx(env.plan.cost(keep_ratio), abs=0.003)
    full, shortened = cost_of("full-equal-cost", keep_ratio=keep_ratio, **options)
    assert full == pytest.approx(budget, abs=0.5 / env.plan.full_pools + 0.003)
    assert shortened.plan.schedule_fraction < 1
    if "features" not in options:  # data-agent has its own
        assert cost_of("data-agent", keep_ratio=keep_ratio, **options)[0] == pytest.approx(budget, abs=0.005)


@pytest.mark.parametrize(
    "options",
    [{}, *(pytest.param(each, marks=pytest.mark.slow) for each in (*LOOKS[:2], {"anneal_fraction": 0.5, "epochs": 8}))],
)
@pytest.mark.parametrize(
    "name", by_mechanism(["top-loss", "random", "full-equal-cost", "data-agent", "data-agent-paper"])
)
@pytest.mark.filterwarnings("ignore:.* was given, and ")
def test_a_run_costs_what_was_asked_for(name: str, options: dict[str, Any]) -> None:
    for asked in (0.75, 0.85):
        assert cost_of(name, cost=asked, **options)[0] == pytest.approx(asked, abs=0.02), asked


def test_full_data_costs_one_whatever_is_asked_for() -> None:
    assert cost_of("full", cost=0.5)[0] == 1


def test_an_agent_that_does_not_anneal_reaches_costs_that_others_cannot() -> None:
    assert cost_of("data-agent", cost=0.45)[0] == pytest.approx(0.45, abs=0.02)
    with pytest.raises(ValueError, match=r"^cost=0\.45 is out of reach: a run costs from 0\.508 to 1 here, since "):
        make_env(make_policy("random"), ID, cost=0.45, **SHORT)
    with pytest.raises(ValueError, match=r"^cost=1\.5 is out of reach: a run on all data costs from 0\.0.* to 1 here"):
        make_env(make_policy("full-equal-cost"), ID, cost=1.5, **SHORT)


def test_a_keep_ratio_and_a_cost_are_not_both_taken() -> None:
    with pytest.raises(ValueError, match=r"^keep_ratio=0\.5 and cost=0\.5: one follows from the other"):
        make_env(make_policy("random"), ID, keep_ratio=0.5, cost=0.5)


def test_a_budget_of_more_than_full_data_is_that_of_full_data() -> None:
    cost, env = cost_of("full-equal-cost", keep_ratio=0.9, observe="fresh")
    assert (cost, env.plan.schedule_fraction) == (1, 1)


def test_full_at_equal_cost_needs_no_step_to_select_at() -> None:
    # Of four pools, 2.2 are paid for: one of warming up and one of annealing leave none.
    cost, env = cost_of("full-equal-cost", keep_ratio=0.1, pool_size=1280)
    assert (cost, env.plan.total_pools) == (0.5, 2)
