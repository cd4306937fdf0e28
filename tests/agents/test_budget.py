"""A frozen model that keeps another share than was asked for is told of; nothing else is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from data_select_gym.agents import (
    BudgetWarning,
    EvalRunsCallback,
    FrozenPolicy,
    evaluate_runs,
    load_policy,
    make_policy,
    run_policy,
    save_model,
)
from data_select_gym.agents.budget import off_budget
from data_select_gym.envs import SamplewiseVecEnv
from data_select_gym.experiments import Comparison, compare

from .loops import eight
from .small_agents import P, image_env, image_task, learned


def keeps_all() -> FrozenPolicy:
    """A model of keep or drop that keeps everything."""
    frozen = FrozenPolicy(learned("ppo"))
    with torch.no_grad():
        frozen.model.policy.action_net.weight.zero_()
        frozen.model.policy.action_net.bias.copy_(torch.tensor([0.0, 1.0]))
    return frozen


def test_a_model_that_keeps_another_share_than_was_asked_for_is_told_of_once() -> None:
    selector = eight(keeps_all())
    for step in range(1, 10):
        selector.choose(torch.arange(8), step)
    message = (
        r"^policy=.*: it kept 100% over the last 10 steps, and keep_ratio=0.5 was asked for, .* more than 20% of it"
    )
    with pytest.warns(BudgetWarning, match=message) as told:
        selector.choose(torch.arange(8), step=10)
    assert told[0].filename == __file__
    assert selector.kept_share == 1
    selector.choose(torch.arange(8), step=11)


def test_a_short_loop_is_told_of_at_its_last_step() -> None:
    selector = eight(keeps_all(), epochs=3)
    selector.choose(torch.arange(8), step=1)
    with pytest.warns(BudgetWarning, match="over the last 2 steps"):
        selector.choose(torch.arange(8), step=2)


@pytest.mark.parametrize("keep_ratio", [0.9, 1.0])
def test_a_share_near_what_was_asked_for_is_not_told_of(keep_ratio: float) -> None:
    selector = eight(keeps_all(), keep_ratio=keep_ratio)
    for step in range(1, 30):
        selector.choose(torch.arange(8), step)


def test_a_rule_or_a_function_may_keep_what_it_likes() -> None:
    for policy in ("full", lambda observation: np.ones(8)):
        selector = eight(policy)
        for step in range(1, 30):
            selector.choose(torch.arange(8), step)
        assert selector.kept_share == 1


@pytest.mark.parametrize(
    ("shares", "told"),
    [([0.41], False), ([0.59], False), ([0.39], True), ([0.61], True), ([1.0] * 90 + [0.5] * 10, False), ([0.0], True)],
)
def test_a_fifth_of_the_keep_ratio_is_near_it_and_the_last_steps_count(shares: list[float], told: bool) -> None:
    assert bool(off_budget(shares, 0.5)) == told


def test_driving_tells_of_it(tmp_path: Path) -> None:
    frozen, env = keeps_all(), image_env()
    message = r"^seed 3: it kept 100% over the last 8 steps, and keep_ratio=0.5 was asked for"
    with pytest.warns(BudgetWarning, match=message) as told:
        assert run_policy(frozen, env, seed=3).keep_fraction == 1
    assert told[0].filename == __file__
    loaded = load_policy(save_model(frozen.model, tmp_path / "ppo.zip"))
    with pytest.warns(BudgetWarning, match=message):
        evaluate_runs(loaded, env, seeds=[3])
    run_policy(make_policy("full"), env, seed=3)
    run_policy(FrozenPolicy(learned("sac")), image_env(keep_ratio=0.25), seed=3)


@pytest.mark.slow
def test_a_comparison_tells_of_it_once_for_a_keep_ratio(tmp_path: Path) -> None:
    path = save_model(keeps_all().model, tmp_path / "ppo.zip")
    options = {"task": image_task(), "pool_size": P}
    comparison = Comparison(
        env="DataSelect/Custom-v0",
        policies={"ppo": path, "full": "full"},
        keep_ratios=(0.5, 0.3, 0.9),
        seeds=2,
        out=tmp_path / "out",
        options=options,
    )
    with pytest.warns(BudgetWarning) as told:
        compare(comparison)
    assert [str(warning.message).partition("; ")[0] for warning in told] == [
        f"ppo, seed 0: it kept 100% over the last 8 steps, and keep_ratio={ratio} was asked for, which it misses by "
        "more than 20% of it"
        for ratio in (0.5, 0.3)
    ]


def test_the_evaluation_of_a_model_that_still_learns_does_not_tell() -> None:
    slots = SamplewiseVecEnv(image_env())
    model = PPO("MlpPolicy", slots, n_steps=2, batch_size=2 * P, device="cpu")
    with torch.no_grad():
        model.policy.action_net.bias.copy_(torch.tensor([-20.0, 20.0]))
    callback = EvalRunsCallback(image_env(), eval_freq=1)
    model.learn(P, callback=callback)
    assert callback.results[0][0].keep_fraction == 1
