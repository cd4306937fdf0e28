from typing import Any

import pytest
from stable_baselines3 import PPO

from data_select_gym.agents import (
    ALGORITHMS,
    POLICIES,
    RULES,
    FrozenPolicy,
    InfoBatch,
    OnlinePolicy,
    make_policy,
)
from data_select_gym.envs import SamplewiseVecEnv

from .policy_runs import first_half


def test_every_name_is_known_once() -> None:
    assert list(POLICIES) == [*RULES, *ALGORITHMS]
    assert len(set(POLICIES)) == len(POLICIES)
    first = {"ppo", "a2c", "dqn", "sac", "td3", "ddpg", "data-agent", "data-agent-paper"}
    assert {name for name, algorithm in ALGORITHMS.items() if not algorithm.contrib} >= first
    assert all(isinstance(make_policy(name), OnlinePolicy) for name in ALGORITHMS)


@pytest.mark.parametrize("name", ["randon", "", "PPO"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=f"^policy='{name}' is not known") as caught:
        make_policy(name)
    assert all(known in str(caught.value) for known in POLICIES)


def test_a_rule_takes_options() -> None:
    made = make_policy("infobatch", prune_ratio=0.25)
    assert isinstance(made, InfoBatch)
    assert made.prune_ratio == 0.25


@pytest.mark.parametrize("policy", [first_half, InfoBatch()], ids=["callable", "object"])
def test_options_for_what_takes_none_are_refused(policy: Any) -> None:
    with pytest.raises(
        TypeError, match=r"unexpected keyword argument 'prune_ratio', 'more'; policy=.* takes no options"
    ):
        make_policy(policy, prune_ratio=0.5, more=1)


@pytest.mark.parametrize("name", ["random", "infobatch"])
def test_options_that_a_rule_does_not_know_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match="argument"):
        make_policy(name, beta=2)


def test_a_model_is_frozen() -> None:
    model = PPO("MlpPolicy", SamplewiseVecEnv("DataSelect/Digits-v0", epochs=3), device="cpu")
    made = make_policy(model)
    assert isinstance(made, FrozenPolicy)
    assert made.model is model
