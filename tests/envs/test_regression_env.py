"""Regression tasks in the environment: every feature, reward and rule, and agents that learn."""

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env as check_for_gymnasium
from sklearn.datasets import load_diabetes
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines
from torch import nn
from torch.utils.data import TensorDataset

from data_select_gym.agents import make_policy, run_policy
from data_select_gym.agents.registry import RULES
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, as_base_env
from data_select_gym.envs.features import FEATURES
from data_select_gym.envs.features.bundled import loss_trend
from data_select_gym.envs.pool_view import PoolView
from data_select_gym.rewards import REWARDS
from data_select_gym.tasks import Recipe, Regression, Task

from ..agents.mechanisms import by_mechanism
from ..tiers import slow

P = 64


def diabetes(variance: bool = False, epochs: int = 4) -> Task:
    """A score of 442 patients out of ten measurements, all standardised."""
    measured, score = load_diabetes(return_X_y=True)
    inputs, targets = (
        torch.from_numpy((values - values.mean(axis=0)) / values.std(axis=0)).float() for values in (measured, score)
    )
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    inputs, targets = inputs[order], targets[order]
    return Task(
        name="diabetes",
        train=TensorDataset(inputs[:320], targets[:320]),
        validation=TensorDataset(inputs[320:380], targets[320:380]),
        test=TensorDataset(inputs[380:], targets[380:]),
        make_model=lambda: nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 2 if variance else 1)),
        objective=Regression(variance=variance),
        recipe=Recipe(epochs=epochs, batch_size=16, optimizer=partial(torch.optim.Adam, lr=0.01)),
    )


def made(variance: bool = False, epochs: int = 4, **options: Any) -> DataSelectEnv:
    return as_base_env(
        "DataSelect/Custom-v0", task=diabetes(variance, epochs), pool_size=P, **({"device": "cpu"} | options)
    )


def halves(env: DataSelectEnv) -> list[Any]:
    """All that a run returns in which another random half is kept at each step."""
    random = np.random.default_rng(0)
    trace: list[Any] = [env.reset(seed=0)]
    while not env.run.done:
        trace.append(env.step(random.integers(2, size=P)))
    return trace


@pytest.mark.parametrize("variance", [False, True])
@pytest.mark.parametrize("observe", [slow("recorded"), "fresh"])
@pytest.mark.filterwarnings("ignore:.*unconventional shape", "ignore:.*A Box observation space")
def test_checkers_are_content_with_every_feature(variance: bool, observe: str) -> None:
    options: dict[str, Any] = {"task": diabetes(variance), "pool_size": P, "device": "cpu"}
    env = gym.make("DataSelect/Custom-v0", features=list(FEATURES), observe=observe, **options).unwrapped
    check_for_gymnasium(env, skip_render_check=True)
    check_for_stable_baselines(env)


@pytest.mark.parametrize("variance", [False, True])
def test_observations_lie_in_the_space_and_say_what_is_known(variance: bool) -> None:
    env = made(variance, features=list(FEATURES))
    observations = np.stack([result[0] for result in halves(env)])
    assert all(observation in env.observation_space for observation in observations)
    columns = {name: observations[:, :, number] for number, name in enumerate(FEATURES)}
    informative = {"loss", "el2n", "alignment", "quality_rank", "loss_trend", *(["uncertainty"] if variance else [])}
    assert {name for name in informative if columns[name].std() < 0.01} == set()
    assert (columns["uncertainty"].max() > 0) == variance


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("variance", [False, True])
def test_every_reward_pays_finite_sums(variance: bool, reward: str) -> None:
    results = halves(made(variance, reward=reward))[1:]
    assert np.isfinite([result[1] for result in results]).all()
    nothing_known = reward == "uncertainty" and not variance
    assert np.any([result[4]["sample_rewards"] for result in results]) != nothing_known


@pytest.mark.parametrize("name", by_mechanism(RULES))
@pytest.mark.parametrize("variance", [False, True])
def test_every_rule_drives_a_run_within_its_budget(name: str, variance: bool) -> None:
    policy, plain = make_policy(name), made(variance)
    env = made(variance, **policy.required_config(plain.plan, plain.keep_ratio))
    result = run_policy(policy, env, seed=0)
    assert np.isfinite(result.quality)
    assert result.quality == -env.run.evaluations[-1].test["mse"]
    assert 0.4 < result.keep_fraction <= 1


@pytest.mark.parametrize(("name", "signal"), [("top-loss", "loss"), ("uncertainty", "uncertainty")])
def test_rules_choose_by_what_the_model_says_of_the_samples(name: str, signal: str) -> None:
    env = made(variance=True)
    run_policy(make_policy(name), env, seed=0)
    assert env.record is not None
    values = env.record.recorded.columns()[signal]
    assert values[env.record.kept].min() >= values[~env.record.kept].max()
    assert values.std() > 0.001


def test_the_trend_of_losses_below_zero_is_their_rise_over_their_sizes() -> None:
    env = made(variance=True)
    env.reset(seed=0)
    env.run.ledger.columns["loss"].fill_(-3.0)
    env.run.ledger.previous_loss.fill_(1.0)
    assert loss_trend(PoolView.of(env.run, env.run.read_pool(), 0.5)).tolist() == pytest.approx([-1] * P)
    env.run.ledger.previous_loss.fill_(-1.0)
    assert loss_trend(PoolView.of(env.run, env.run.read_pool(), 0.5)).tolist() == pytest.approx([-0.5] * P)


def test_training_on_all_lowers_the_error_below_that_of_the_mean() -> None:
    result = run_policy(make_policy("full"), made(epochs=15), seed=0)
    assert -0.75 < result.quality < 0  # the variance of the targets is 1


@pytest.mark.parametrize("name", by_mechanism(["ppo", "data-agent", "data-agent-paper"]))
@pytest.mark.parametrize("variance", [False, True])
def test_agents_learn_within_a_run(name: str, variance: bool) -> None:
    policy, plain = make_policy(name), made(variance, epochs=6)
    env = made(variance, epochs=6, **policy.required_config(plain.plan, plain.keep_ratio))
    result = run_policy(policy, env, seed=0)
    assert np.isfinite(result.quality)
    assert 0.2 < result.keep_fraction < 1


def test_an_algorithm_of_stable_baselines_learns_slot_by_slot() -> None:
    slots = SamplewiseVecEnv(made(reward="priced-alignment", features=["loss", "el2n", "alignment"]))
    model = PPO("MlpPolicy", slots, n_steps=4, batch_size=P, n_epochs=1, gamma=0.0, seed=0, device="cpu")
    before = torch.cat([weight.detach().flatten().clone() for weight in model.policy.parameters()])
    model.learn(8 * P)
    after = torch.cat([weight.detach().flatten() for weight in model.policy.parameters()])
    assert after.isfinite().all()
    assert not torch.equal(before, after)
