from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import ActorCriticPolicy

from data_select_gym.agents import BetaPolicy, DataAgent
from data_select_gym.envs import SamplewiseVecEnv, as_base_env

from .data_agents import STEPS, P, Recorder, agent, fill, paper, silent, slots


def test_the_papers_agent_has_the_papers_settings() -> None:
    made = paper()
    assert (made.gamma, made.gae_lambda, made.n_steps, made.n_epochs) == (0.99, 0.95, 10, 4)
    assert made.batch_size == 10 * P
    assert [made.clip_range(left) for left in (1.0, 0.0)] == [0.2, 0.2]
    assert made.ent_coef == 0
    rates = [made.lr_schedule(left) for left in (1.0, 0.5, 0.0)]
    assert rates == pytest.approx([3e-4, 3e-4 * 0.505, 3e-6])
    assert type(made.policy.optimizer) is torch.optim.Adam
    (group,) = made.policy.optimizer.param_groups
    assert (group["eps"], group["weight_decay"], group["lr"]) == (1e-5, 5e-4, pytest.approx(3e-4))
    assert isinstance(made.policy, BetaPolicy)
    assert made.policy.net_arch == {"pi": [128, 128], "vf": [128, 128]}


def test_the_default_agent_has_discount_zero_and_smaller_networks() -> None:
    made = agent()
    assert (made.gamma, made.gae_lambda) == (0.0, 1.0)
    assert made.policy.net_arch == {"pi": [32, 32], "vf": [32, 32]}
    assert isinstance(made.policy, BetaPolicy)


def test_a_policy_of_another_kind_has_its_own_defaults(tmp_path: Path) -> None:
    made = agent(policy="MlpPolicy")
    assert made.policy_kwargs == {}
    made.learn_run().save(tmp_path / "agent")
    assert type(DataAgent.load(tmp_path / "agent", device="cpu").policy) is ActorCriticPolicy


def test_a_policy_of_the_same_kind_has_the_same_defaults() -> None:
    class Own(BetaPolicy):
        """One of a user's."""

    made = DataAgent(slots(features=("loss", "quality_rank")), Own, device="cpu")
    assert (type(made.policy), made.policy.prior, made.policy.net_arch["pi"]) == (Own, 1, [32, 32])


def test_settings_of_the_paper_can_be_overridden_one_by_one() -> None:
    made = paper(gamma=0.5, n_epochs=1)
    assert (made.gamma, made.n_epochs, made.gae_lambda) == (0.5, 1, 0.95)


def test_the_papers_learning_rate_falls_over_the_run() -> None:
    recorder = Recorder()
    made = paper(n_steps=10)
    made.set_logger(Logger(folder=None, output_formats=[recorder]))
    made.learn_run()
    rates = [row["train/learning_rate"] for row in recorder.rows if "train/learning_rate" in row]
    left = [1 - 10 * rollout / STEPS for rollout in (1, 2, 3)]
    assert rates == pytest.approx([3e-4 * (0.01 + 0.99 * share) for share in left])


@pytest.mark.parametrize(("make", "updates"), [(paper, 4), (lambda: agent(n_epochs=3, n_minibatches=5), 15)])
def test_an_update_makes_as_many_optimizer_steps_as_the_settings_say(make: Any, updates: int) -> None:
    made = silent(make())
    steps = []
    made.policy.optimizer.register_step_post_hook(lambda *_: steps.append(1))
    fill(made)
    made.train()
    assert len(steps) == updates


def test_the_number_of_minibatches_must_be_at_least_one() -> None:
    with pytest.raises(ValueError, match="n_minibatches=0"):
        agent(n_minibatches=0)


def test_an_id_or_a_joint_environment_is_looked_at_by_slots() -> None:
    joint = as_base_env("DataSelect/Digits-v0", epochs=3, pool_size=P)
    made = DataAgent(joint, device="cpu")
    assert made.n_envs == P
    assert made.action_space == spaces.Box(0.0, 1.0, (1,), dtype=np.float32)
    assert DataAgent("DataSelect/Digits-v0", device="cpu").n_envs == 128
    wrapped = gym.make("DataSelect/Digits-v0", epochs=3, pool_size=P)
    assert DataAgent(wrapped, device="cpu").n_envs == P
    with pytest.raises(TypeError, match="a DataSelectEnv or the id of one is needed"):
        DataAgent(gym.make("CartPole-v1"), device="cpu")


def test_an_environment_whose_actions_are_keep_or_drop_is_refused() -> None:
    with pytest.raises(ValueError, match="action='score'"):
        DataAgent(SamplewiseVecEnv("DataSelect/Digits-v0", epochs=3), device="cpu")
