"""The arguments of an environment as one configuration, and their names in version 0.1."""

import copy
import inspect
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import data_select_gym  # noqa: F401
from data_select_gym.agents import make_env, make_policy
from data_select_gym.envs import DataSelectEnv, EnvConfig
from data_select_gym.envs.config import ARGUMENTS, current_names
from data_select_gym.envs.features import DEFAULT_FEATURES
from data_select_gym.experiments import Comparison
from data_select_gym.training import RunConfig

from .joint_runs import play, same, small


def test_the_environment_takes_all_arguments_with_the_defaults_of_the_configuration() -> None:
    parameters = inspect.signature(DataSelectEnv).parameters
    assert {name: parameters[name].default for name in ARGUMENTS} == EnvConfig().flat()
    assert set(parameters) == {"task", "task_options", *ARGUMENTS}


def test_flat_arguments_go_to_where_they_belong() -> None:
    config = EnvConfig.of(keep_ratio=0.25, pool_size=64, observe="fresh", features=["embedding", "loss"])
    assert (config.keep_ratio, config.run.pool_size, config.features) == (0.25, 64, ("embedding", "loss"))
    assert config.run.record == {"embedding", "fresh"}
    changed = config.changed(observe="recorded", features=DEFAULT_FEATURES, reward="validation-gain", warmup_epochs=0)
    assert changed.run == RunConfig(pool_size=64, warmup_epochs=0, record={"validation_gain"})
    assert config.observe == "fresh" and changed.flat() | {"observe": "fresh"} != config.flat()
    assert EnvConfig.of(**config.flat()) == config
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'keep_ration'; .*; did you mean 'keep_ratio'\?$"):
        config.changed(keep_ration=0.5)


def test_arguments_can_be_read_from_the_environment_and_changed_for_its_next_run() -> None:
    env = small(keep_ratio=0.25, channels_last=False, reward={"difficulty": 1}, tensorboard_log=None)
    assert (env.keep_ratio, env.device, env.observe, env.on_non_finite) == (0.25, "cpu", "recorded", "stop")
    assert (env.features, env.reward_given, env.render_mode) == (DEFAULT_FEATURES, {"difficulty": 1}, None)
    env.keep_ratio, env.observe = 0.5, "fresh"
    assert (env.config.keep_ratio, env.plan.fresh, env.config.run.record) == (0.5, True, {"fresh"})
    assert copy.deepcopy(env).config == env.config
    env.reset(seed=0)
    assert env.price.value == 0.5 and env.run.cost == pytest.approx((40 + 8 / 3) / 120)
    with pytest.raises(ValueError, match=r"^keep_ratio=2 is not a number in"):
        env.keep_ratio = 2
    with pytest.raises(AttributeError, match=r"^action belongs to the spaces of the environment"):
        env.action = "scores"


def test_a_keep_ratio_that_is_set_is_checked_as_when_the_environment_is_made() -> None:
    env = small()
    with pytest.raises(
        ValueError, match=r"^keep_ratio=0\.001 of pool_size=8 is a single candidate; an update needs 2$"
    ):
        env.keep_ratio = 0.001
    assert env.keep_ratio == 0.5


SETTABLE = {
    *("keep_ratio", "balance_classes", "rescale_loss", "observe", "device", "channels_last", "compile"),
    *("on_non_finite", "tensorboard_log", "profile", "render_mode"),
}


@pytest.mark.parametrize("name", sorted({*ARGUMENTS, "config"} - SETTABLE))
def test_what_could_take_no_effect_cannot_be_set(name: str) -> None:
    env = small(reward="difficulty", regime="pair-noise:0.4", warmup_epochs=1, regime_seed=3)
    given = env.config.flat() | {"pool_size": 8, "reward": env.reward, "regime": "pair-noise:0.4", "config": env.config}
    for value in ("nonsense", 3, given[name]):
        with pytest.raises(AttributeError, match=rf"^{name} .*cannot be set once the environment is made"):
            setattr(env, name, value)
    assert getattr(env, name) == given[name]


def test_what_is_set_is_in_the_config() -> None:
    env = small()
    values = env.config.flat() | {"device": "cpu", "keep_ratio": 0.25, "rescale_loss": True, "observe": "fresh"}
    for name in SETTABLE:
        setattr(env, name, values[name])
    assert env.config.flat() == values and env.config.keep_ratio == 0.25


OLD = r"^the argument length is called schedule_fraction now; the old name goes in version 0\.3$"


def test_length_is_the_old_name_of_schedule_fraction() -> None:
    with pytest.warns(DeprecationWarning, match=OLD):
        old = gym.make("DataSelect/Digits-v0", length=0.75, epochs=4, device="cpu").unwrapped
    new = gym.make("DataSelect/Digits-v0", schedule_fraction=0.75, epochs=4, device="cpu").unwrapped
    assert isinstance(old, DataSelectEnv) and isinstance(new, DataSelectEnv)
    assert old.plan == new.plan and old.plan.schedule_fraction == 0.75
    assert same(play(old), play(new))
    with pytest.raises(TypeError, match=r"^got multiple values for argument 'schedule_fraction'; length=0\.5 is its"):
        current_names({"schedule_fraction": 0.5, "length": 0.5})


def test_make_env_and_comparisons_take_it_too(tmp_path: Path) -> None:
    options: dict[str, Any] = {"length": 0.75, "epochs": 4, "device": "cpu"}
    with pytest.warns(DeprecationWarning, match=OLD):
        env = make_env(make_policy("random"), "DataSelect/Digits-v0", **options)
    assert env.plan.schedule_fraction == 0.75
    with pytest.warns(DeprecationWarning, match=OLD):
        comparison = Comparison(
            env="DataSelect/Digits-v0",
            policies={"random": "random"},
            keep_ratios=[0.5],
            seeds=1,
            out=tmp_path,
            options=options,
        )
    assert comparison.options == {"schedule_fraction": 0.75, "epochs": 4, "device": "cpu"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert current_names(options, warn=False) == comparison.options


def test_a_custom_reward_of_only_nan_is_told_once_for_a_run() -> None:
    def lost(outcome: Any) -> Any:
        return outcome.action * float("nan")

    for reward in (lost, {f"{__name__}:nothing": 0.5, "difficulty": 0.5}):
        env = small(reward=reward)
        for _ in range(2):
            env.reset(seed=0)
            with pytest.warns(UserWarning, match=r"^reward=.* gave only NaN for a pool, which counts as 0; ") as caught:
                for _ in range(3):
                    _, paid, *_ = env.step(np.ones(8))
            assert len(caught) == 1 and paid == 0


def nothing(outcome: Any) -> Any:
    return outcome.action * float("nan")


def test_some_nan_or_one_of_a_bundled_reward_is_not_told() -> None:
    def partly(outcome: Any) -> Any:
        return outcome.action.index_fill(0, outcome.action.nonzero()[:1, 0], float("nan"))

    env = small(reward=partly)
    env.reset(seed=0)
    _, reward, *_ = env.step(np.ones(8))
    assert reward == 7 / 8
