"""Wrappers around the environment of a model, which are not there when the model serves as a policy."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import (
    ClipReward,
    FlattenObservation,
    NormalizeObservation,
    NormalizeReward,
    RecordEpisodeStatistics,
    TimeLimit,
    TransformAction,
    TransformObservation,
)
from numpy.typing import NDArray
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecCheckNan,
    VecEnv,
    VecEnvWrapper,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecVideoRecorder,
)

from data_select_gym.agents import EvalRunsCallback, FrozenPolicy, Selector, make_policy, run_policy, save_model
from data_select_gym.envs import SamplewiseVecEnv, ScoreAction
from data_select_gym.ledger import Ledger

from .small_agents import STEPS, P, image_env

ADVICE = (
    "; let the model learn without it, or give as the policy a function that does what it does and asks the model. "
    "What may stay is "
)


class Negated(VecEnvWrapper):
    """One that a user wrote."""

    def reset(self) -> Any:
        return -np.asarray(self.venv.reset())

    def step_wait(self) -> Any:
        observation, *rest = self.venv.step_wait()
        return (-np.asarray(observation), *rest)


class OwnNormalize(VecNormalize):
    """One that may do more than what it is derived from."""


class OwnReward(gym.RewardWrapper[Any, Any]):
    """Changes rewards, and cannot do more."""

    def reward(self, reward: Any) -> Any:
        return -reward


class OwnStep(OwnReward):
    """Changes more than rewards."""

    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        return (-observation, *rest)


class OwnReset(OwnReward):
    """Does so at the beginning only."""

    def reset(self, **given: Any) -> Any:
        observation, info = super().reset(**given)
        return -observation, info


def of_slots(*wraps: Callable[[Any], Any]) -> BaseAlgorithm:
    env: VecEnv = SamplewiseVecEnv(image_env())
    for wrap in wraps:
        env = wrap(env)
    return PPO("MlpPolicy", env, n_steps=4, batch_size=16, seed=0, device="cpu")


def of_pools(*wraps: Callable[[Any], Any], vector: type[VecEnv] = DummyVecEnv) -> BaseAlgorithm:
    def make() -> gym.Env[Any, Any]:
        env: gym.Env[Any, Any] = image_env(render_mode="rgb_array")
        for wrap in wraps:
            env = wrap(env)
        return env

    made = vector([make] * (2 if vector is DummyVecEnv else 1))  # type: ignore[call-arg]
    if isinstance(made.action_space, gym.spaces.Box):
        return SAC("MlpPolicy", made, seed=0, device="cpu")
    return PPO("MlpPolicy", made, n_steps=4, batch_size=4, seed=0, device="cpu")


def refused(model: BaseAlgorithm, named: str, folder: Path) -> None:
    words = rf"^model=.*: {named} would be left out when the model serves as a policy, with all that it does{ADVICE}"
    for use in (
        FrozenPolicy,
        make_policy,
        partial(Selector, ledger=Ledger(8), keep_ratio=0.5, epochs=1, pools_per_epoch=1),
        lambda given: save_model(given, folder / "agent.zip"),
        lambda given: given.learn(1, callback=EvalRunsCallback(image_env(), eval_freq=100)),
    ):
        with pytest.raises(ValueError, match=words):
            use(model)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("wraps", "named"),
    [
        ([Negated], "Negated"),
        ([VecMonitor, Negated, VecCheckNan, VecNormalize], "Negated"),
        ([OwnNormalize], "OwnNormalize"),
        ([lambda env: VecFrameStack(env, 2)], "VecFrameStack"),
        ([Negated, lambda env: VecFrameStack(env, 2)], "VecFrameStack and Negated"),
        ([VecNormalize, VecNormalize], "a second VecNormalize"),
        ([lambda env: VecNormalize(env, norm_obs=False), VecMonitor, VecNormalize], "a second VecNormalize"),
    ],
)
def test_a_wrapper_of_a_vector_environment_that_would_be_left_out_is_refused(
    wraps: list[Any], named: str, tmp_path: Path
) -> None:
    refused(of_slots(*wraps), named, tmp_path)


def other_bits(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    return TransformAction(env, lambda action: 1 - action, env.action_space)


def negated(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    return TransformObservation(env, lambda seen: -seen, env.observation_space)


POOLS: list[tuple[list[Any], str]] = [
    ([NormalizeObservation], "NormalizeObservation"),
    ([negated], "TransformObservation"),
    ([other_bits], "TransformAction"),
    ([ScoreAction, other_bits, RecordEpisodeStatistics], "TransformAction"),
    ([OwnStep], "OwnStep"),
    ([OwnReset], "OwnReset"),
    ([negated, OwnReward, other_bits], "TransformAction and TransformObservation"),
]


@pytest.mark.parametrize(("wraps", "named"), POOLS)
def test_a_wrapper_of_an_environment_of_pools_that_would_be_left_out_is_refused(
    wraps: list[Any], named: str, tmp_path: Path
) -> None:
    refused(of_pools(*wraps), named, tmp_path)


@pytest.mark.slow
def test_a_wrapper_in_another_process_is_refused(tmp_path: Path) -> None:
    model = of_pools(NormalizeObservation, vector=SubprocVecEnv)
    refused(model, r"a wrapper in <NormalizeObservation<\w+.*>", tmp_path)
    model.get_env().close()  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_model_of_other_processes_serves_where_nothing_would_be_left_out(tmp_path: Path) -> None:
    model = of_pools(RecordEpisodeStatistics, ScoreAction, vector=SubprocVecEnv)
    assert save_model(model, tmp_path / "agent.zip").exists()
    assert run_policy(make_policy(model), image_env(), seed=0).steps == STEPS
    model.get_env().close()  # type: ignore[union-attr]


def kept(model: BaseAlgorithm) -> list[float]:
    env = image_env()
    run_policy(make_policy(model), env, seed=0)
    return [share for _, share in env.keep_fractions]


@pytest.mark.parametrize(
    "wraps", [[VecMonitor], [VecCheckNan], [VecMonitor, VecNormalize, VecCheckNan], [VecNormalize]]
)
def test_wrappers_of_slots_that_only_look_on_and_one_normaliser_may_stay(wraps: list[Any]) -> None:
    model = of_slots(*wraps)
    assert len(kept(model)) == STEPS


def test_a_video_recorder_may_stay(tmp_path: Path) -> None:
    def recorded(env: VecEnv) -> VecEnv:
        return VecVideoRecorder(env, str(tmp_path / "videos"), lambda step: False)

    env = SamplewiseVecEnv(image_env(render_mode="rgb_array"))
    model = PPO("MlpPolicy", recorded(env), n_steps=4, batch_size=16, seed=0, device="cpu")
    assert kept(model) == kept(of_slots())


@pytest.mark.parametrize(
    "wraps",
    [
        [RecordEpisodeStatistics],
        [lambda env: TimeLimit(env, 3)],
        [NormalizeReward],
        [lambda env: ClipReward(env, -1, 1)],
        [OwnReward],
        [OwnReward, RecordEpisodeStatistics],
    ],
)
def test_wrappers_of_pools_that_change_neither_observations_nor_actions_may_stay(
    wraps: list[Any], tmp_path: Path
) -> None:
    model = of_pools(*wraps)
    assert kept(model) == kept(of_pools())
    assert save_model(model, tmp_path / "agent.zip").exists()


def test_flat_pools_and_scores_are_served_as_they_were_learned_from() -> None:
    model = of_pools(ScoreAction, FlattenObservation)
    env, scored = image_env(), ScoreAction(image_env())
    seen, chosen, terminated = scored.reset(seed=0)[0], [], False
    while not terminated:
        scores: NDArray[np.float32] = model.predict(seen.reshape(-1), deterministic=True)[0]
        seen, _, terminated, _, info = scored.step(scores)
        chosen.append(info["kept"].tolist())
    shown, policy, again, terminated = env.reset(seed=0)[0], make_policy(model), [], False
    policy.start(env)
    while not terminated:
        shown, _, terminated, _, info = env.step(policy.select(shown))
        again.append(info["kept"].tolist())
    assert len(chosen[0]) == P
    assert again == chosen


def test_a_model_without_an_environment_serves(tmp_path: Path) -> None:
    of_slots(Negated).save(tmp_path / "own.zip")
    assert FrozenPolicy(PPO.load(tmp_path / "own.zip", device="cpu")).features is None
