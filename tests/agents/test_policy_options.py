"""Options of policies, given by name and written behind a name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.noise import NormalActionNoise

from data_select_gym.agents import (
    ALGORITHMS,
    DataAgent,
    InfoBatch,
    OnlinePolicy,
    Policy,
    available_policies,
    make_policy,
    pretrain,
    run_policy,
    save_model,
)
from data_select_gym.agents.fingerprint import object_fingerprint, policy_fingerprint
from data_select_gym.agents.learned.off_policy import SlotNoise
from data_select_gym.agents.naming import read_policy, split_outside_brackets, write_policy
from data_select_gym.envs import SamplewiseVecEnv
from data_select_gym.training import Checkpoints

from .small_agents import P, image_env, image_task, learned


def model_of(policy: Policy) -> Any:
    assert isinstance(policy, OnlinePolicy)
    env = image_env(**policy.required_config(image_env().plan, 0.5))
    return policy.algorithm.make(SamplewiseVecEnv(env, action=policy.algorithm.action), **policy.options)


# As they are written


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("ppo", "ppo", {}),
        ("module:object", "module:object", {}),
        ("ppo:n_steps=5", "ppo", {"n_steps": 5}),
        ("ppo:n_steps=5:learning-rate=1e-3", "ppo", {"n_steps": 5, "learning_rate": 1e-3}),
        ("package.module:Class:beta=2:how=text", "package.module:Class", {"beta": 2, "how": "text"}),
        (
            "sac:policy_kwargs={'net_arch': [8, 8]}:noise=.1",
            "sac",
            {"policy_kwargs": {"net_arch": [8, 8]}, "noise": 0.1},
        ),
        ("dqn:train_freq=(2, 'step')", "dqn", {"train_freq": (2, "step")}),
        ("a:b=true", "a", {"b": True}),
        ("a:b=None", "a", {"b": None}),
        ("a:b==c", "a", {"b": "=c"}),
    ],
)
def test_options_are_written_behind_a_name(text: str, name: str, options: dict[str, Any]) -> None:
    assert read_policy(text) == (name, options)
    assert read_policy(write_policy(name, options)) == (name, options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ppo:n_steps=5:gamma", "'gamma' is not of the form NAME=VALUE"),
        ("ppo:=5", "'=5' is not of the form NAME=VALUE"),
        ("ppo:a b=5", "'a b=5' is not of the form NAME=VALUE"),
        ("ppo:n_steps=5:n-steps=6", "'n-steps=6' comes twice"),
        ("ppo:n_steps", "the options of ppo are written as NAME=VALUE, 'ppo:n_steps=...'"),
    ],
)
def test_what_is_no_option_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make_policy(text)
    assert str(caught.value).startswith(f"policy={text!r}: {message}")


def test_brackets_hold_together() -> None:
    assert split_outside_brackets("a,b=[1, 2],c={'d': (3, 4)}", ",") == ["a", "b=[1, 2]", "c={'d': (3, 4)}"]
    assert split_outside_brackets("runs/(1.zip,ppo", ",") == ["runs/(1.zip", "ppo"]


# What they change


def test_an_option_takes_the_place_of_ours_and_the_rest_stays() -> None:
    ours, theirs, written = (
        model_of(make_policy(*given, **more))
        for given, more in (
            (("ppo",), {}),
            (("ppo",), {"n_steps": np.int64(5), "ent_coef": 0.1}),
            (("ppo:n_steps=5:ent_coef=0.1",), {}),
        )
    )
    assert (ours.n_steps, ours.ent_coef, ours.batch_size) == (10, 0.0, 10 * P // 8)
    for model in (theirs, written):
        assert (model.n_steps, model.ent_coef, model.batch_size) == (5, 0.1, 5 * P // 8)
        assert type(model.n_steps) is int
        assert (model.n_epochs, model.gamma, model.learning_rate) == (4, 0.0, 3e-3)


def test_noise_is_an_option_where_there_is_noise() -> None:
    assert model_of(make_policy("sac")).action_noise is None
    noise = model_of(make_policy("td3:noise=0.4")).action_noise
    assert isinstance(noise, SlotNoise) and noise.sigma == 0.4
    own = NormalActionNoise(np.zeros(1), np.ones(1))
    assert model_of(make_policy("td3", action_noise=own)).action_noise is own


def test_data_agent_takes_its_own_options_in_both_versions() -> None:
    ours, paper = (model_of(make_policy(f"{name}:n_epochs=2")) for name in ("data-agent", "data-agent-paper"))
    assert isinstance(ours, DataAgent) and isinstance(paper, DataAgent)
    assert (ours.n_epochs, ours.n_minibatches, paper.n_epochs, paper.n_minibatches) == (2, 8, 2, 1)


@pytest.mark.parametrize("name", [name for name in available_policies() if name in ALGORITHMS])
def test_an_unknown_option_is_told_with_those_that_are_taken(name: str) -> None:
    with pytest.raises(TypeError, match=r"argument 'learning_rat'; this policy takes: .*learning_rate"):
        make_policy(f"{name}:learning_rat=1")
    for given in ("seed", "env", "tensorboard_log"):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{given}'; this policy takes: "):
            make_policy(name, **{given: 1})


@pytest.mark.parametrize("value", [5.0, "5", True])
def test_a_whole_number_has_to_be_one(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^n_steps=.* is not a whole number$"):
        make_policy("ppo", n_steps=value)


def test_a_value_that_the_algorithm_refuses_is_named_before_anything_runs() -> None:
    with pytest.raises(ValueError, match=r"^learning_rate='fast': "):
        run_policy(make_policy("ppo:learning_rate=fast"), image_env(), seed=0)
    with pytest.raises(ValueError, match=r"^n_steps=8 is not below the 8 steps of a run"):
        run_policy(make_policy("ppo:n_steps=8"), image_env(), seed=0)


def test_rules_and_classes_take_options_behind_their_names_and_others_none() -> None:
    rule = make_policy("infobatch:prune_ratio=0.25")
    assert isinstance(rule, InfoBatch) and rule.prune_ratio == 0.25
    own = make_policy("data_select_gym.agents.rules:InfoBatch:prune_ratio=0.25")
    assert isinstance(own, InfoBatch) and own.prune_ratio == 0.25
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'half'; policy=.* takes no options"):
        make_policy("operator:neg:half=1")
    with pytest.raises(TypeError, match=r"multiple values for argument 'prune_ratio'"):
        make_policy("infobatch:prune_ratio=0.25", prune_ratio=0.5)


# What a run is known by


def test_options_make_another_policy() -> None:
    texts = ["ppo", "ppo:n_steps=5", "ppo:n_steps=6", "ppo:policy_kwargs={'net_arch': {'pi': [8]}}"]
    assert len({policy_fingerprint(text) for text in texts}) == len(texts)
    assert len({object_fingerprint(make_policy(text)) for text in texts}) == len(texts)
    assert (
        policy_fingerprint("ppo:n_steps=5:gamma=0.5")
        == policy_fingerprint("ppo:gamma=.5:n-steps=5")
        == ("ppo:gamma=0.5:n_steps=5")
    )
    deep = [make_policy("ppo", policy_kwargs={"net_arch": {"pi": [width], "vf": [8]}}) for width in (8, 16)]
    assert object_fingerprint(deep[0]) != object_fingerprint(deep[1])
    named = "data_select_gym.agents.rules:InfoBatch"
    assert policy_fingerprint(f"{named}:prune_ratio=0.5") == f"{named}:prune_ratio=0.5"


def test_a_checkpoint_of_other_options_is_refused(tmp_path: Path) -> None:
    def stop(number: int, info: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    checkpoints = Checkpoints(tmp_path, minutes=None, steps=1)
    with pytest.raises(KeyboardInterrupt):
        learned("ppo:n_steps=2", checkpoints=checkpoints, on_run=stop)
    assert checkpoints.paths()
    with pytest.raises(ValueError, match=r"is of agent='ppo:n_steps=2'; here it is agent='ppo:n_steps=4'"):
        learned("ppo:n_steps=4", checkpoints=checkpoints)


# Pre-training


@pytest.mark.slow
def test_an_agent_is_pretrained_with_its_options(tmp_path: Path) -> None:
    model = learned("ppo:n_steps=2")
    assert model.n_steps == 2  # type: ignore[attr-defined]
    made = pretrain(
        make_policy("ppo", n_steps=2), "DataSelect/Custom-v0", runs=2, seed=0, task=image_task(), pool_size=P
    )
    assert made.n_steps == 2  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'step'; "):
        learned("ppo:step=2")
    assert make_policy(save_model(model, tmp_path / "ppo.zip")).model.n_steps == 2  # type: ignore[attr-defined]


# How it is written


@pytest.mark.parametrize(
    ("written", "error", "message"),
    [
        ("ppo:", ValueError, "^policy='ppo:' ends with a colon; write 'ppo', or NAME=VALUE behind it$"),
        ("top-loss:", ValueError, "^policy='top-loss:' ends with a colon; write 'top-loss', or"),
        ("ppo.zip:n_steps=3", TypeError, "argument 'n_steps'; policy='ppo.zip' is a file, which takes no options$"),
        ("runs/ppo.zip:3", ValueError, "^policy='runs/ppo.zip:3': 'runs/ppo.zip' is a file, which takes no options$"),
        ("ppo.zip:", ValueError, "^policy='ppo.zip:': 'ppo.zip' is a file, which takes no options$"),
    ],
)
def test_what_stands_behind_a_colon_is_told_if_it_is_no_option(
    written: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_policy(written)


def test_an_option_may_be_called_policy_as_in_the_list_of_options() -> None:
    with pytest.raises(TypeError, match=r"this policy takes: policy, learning_rate, n_steps"):
        make_policy("ppo", n_step=3)
    given = make_policy("ppo", policy="MlpPolicy")
    assert isinstance(given, OnlinePolicy) and given.options == {"policy": "MlpPolicy"}
    assert isinstance(make_policy(policy="infobatch"), InfoBatch)
