"""Models that learned on whole pools, as policies and on file."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import PassiveEnvChecker, RecordEpisodeStatistics, TransformObservation, TransformReward
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm

from data_select_gym.agents import PoolPolicy, evaluate_runs, load_policy, make_policy, run_policy, save_model
from data_select_gym.envs import KeepRatioChoice, SamplewiseVecEnv, ScoreAction

P, STEPS = 64, 20


def pools(**options: Any) -> gym.Env[Any, Any]:
    return gym.make(
        "DataSelect/Digits-v0", **({"epochs": 3, "pool_size": P, "batch_size": 64, "keep_ratio": 0.3} | options)
    )


def of_masks() -> BaseAlgorithm:
    return PPO(PoolPolicy, pools(), n_steps=10, batch_size=10, seed=0, device="cpu").learn(10)


def of_scores() -> BaseAlgorithm:
    return SAC("MlpPolicy", ScoreAction(pools()), seed=0, device="cpu")


def kept_by_hand(model: BaseAlgorithm, env: gym.Env[Any, Any]) -> list[float]:
    observation, _ = env.reset(seed=0)
    shares, terminated = [], False
    while not terminated:
        observation, _, terminated, _, info = env.step(model.predict(observation, deterministic=True)[0])
        shares.append(info["keep_fraction"])
    return shares


def kept_when_driven(policy: Any) -> list[float]:
    env = pools()
    run_policy(make_policy(policy), env, seed=0)
    return [share for _, share in env.unwrapped.keep_fractions]  # type: ignore[attr-defined]


def test_a_model_of_masks_keeps_what_it_gives(tmp_path: Path) -> None:
    model = of_masks()
    expected = kept_by_hand(model, pools())
    assert len(expected) == STEPS
    assert kept_when_driven(model) == expected
    assert kept_when_driven(save_model(model, tmp_path / "agent.zip")) == expected


def test_a_model_of_scores_keeps_the_best_share(tmp_path: Path) -> None:
    model = of_scores()
    expected = kept_by_hand(model, ScoreAction(pools()))
    assert np.mean(expected) == pytest.approx(0.3, abs=0.01)
    assert kept_when_driven(model) == expected
    assert kept_when_driven(save_model(model, tmp_path / "agent.zip")) == expected


def test_features_are_those_of_the_model_s_environment(tmp_path: Path) -> None:
    policy = load_policy(save_model(of_masks(), tmp_path / "agent.zip"))
    assert policy.features == pools().unwrapped.features  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"^features=\('loss', 'age'\): this policy needs "):
        run_policy(policy, pools(features=("loss", "age")), seed=0)


def test_pools_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"give pools of shape \(32, 8\); the model learned from shape \(64, 8\)$"):
        evaluate_runs(of_masks(), pools(pool_size=32), [0])


def test_a_model_that_chooses_keep_ratios_is_refused() -> None:
    model = DQN("MlpPolicy", KeepRatioChoice(pools()), device="cpu")
    with pytest.raises(ValueError, match=r"gives actions in Discrete\(5\); masks or scores of whole pools are needed$"):
        run_policy(make_policy(model), pools(), seed=0)


@pytest.mark.parametrize(
    "wrap",
    [
        ScoreAction,
        KeepRatioChoice,
        lambda env: TransformReward(env, lambda reward: reward),
        lambda env: TransformObservation(env, lambda seen: seen, None),
    ],
)
def test_a_wrapper_that_would_be_left_out_is_refused(wrap: Any) -> None:
    wrapped = RecordEpisodeStatistics(wrap(pools()))
    with pytest.raises(ValueError, match=r"^env=.*: \w+ would be left out here, with all that it does; "):
        run_policy(make_policy("random"), wrap(pools()), seed=0)
    with pytest.raises(ValueError, match=r"^env=.*: \w+ would be left out here, with all that it does; "):
        SamplewiseVecEnv(wrapped)


def test_a_wrapper_that_only_checks_is_looked_through_and_one_that_records_is_refused() -> None:
    assert run_policy(make_policy("random"), PassiveEnvChecker(pools()), seed=0).steps == STEPS
    with pytest.raises(ValueError, match=r"RecordEpisodeStatistics would be left out here.* \(SamplewiseVecEnv takes"):
        run_policy(make_policy("random"), RecordEpisodeStatistics(pools()), seed=0)
