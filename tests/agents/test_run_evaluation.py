from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn
from torch.utils.data import TensorDataset

from data_select_gym.agents import (
    DataAgent,
    EvalRunsCallback,
    FrozenPolicy,
    RunResult,
    evaluate_runs,
    make_policy,
    run_policy,
)
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, as_base_env
from data_select_gym.tasks import Classification, Recipe, Task

from ..tiers import slow
from .data_agents import Recorder

P, STEPS = 32, 40  # a run of three epochs selects in the second of them


def digits(pool_size: int = P, **options: Any) -> DataSelectEnv:
    return as_base_env("DataSelect/Digits-v0", epochs=3, pool_size=pool_size, **({"batch_size": 32} | options))


def slots(action: str, **options: Any) -> SamplewiseVecEnv:
    return SamplewiseVecEnv(digits(**options), action=action)


def learned(kind: str, **options: Any) -> BaseAlgorithm:
    if kind == "ppo":
        return PPO(
            "MlpPolicy",
            slots("keep", **options),
            n_steps=10,
            batch_size=160,
            gamma=0.0,
            learning_rate=3e-3,
            seed=0,
            device="cpu",
        ).learn(20 * P)
    return DataAgent(slots("score", **options), seed=0, device="cpu").learn(20 * P)


def weights(model: BaseAlgorithm) -> list[float]:
    return torch.cat([weight.detach().flatten() for weight in model.policy.parameters()]).tolist()


# Whole runs


def by_hand(model: BaseAlgorithm, env: DataSelectEnv, seed: int) -> tuple[float, float]:
    """Return and share kept of one run with the model's deterministic actions."""
    observation, _ = env.reset(seed=seed)
    total, terminated, kept = 0.0, False, []
    while not terminated:
        actions, _ = model.predict(observation, deterministic=True)
        if actions.ndim > 1:
            best = np.argsort(-actions[:, 0], kind="stable")[: round(env.keep_ratio * len(actions))]
            actions = np.isin(np.arange(len(actions)), best)
        observation, reward, terminated, _, info = env.step(actions)
        total += reward
        kept.append(info["keep_fraction"])
    return total, float(np.mean(kept))


@pytest.mark.parametrize("kind", [slow("ppo"), "data-agent"])
def test_each_seed_is_a_whole_run_with_the_return_of_the_environment(kind: str) -> None:
    model = learned(kind)
    options = {"keep_ratio": 0.25, "batch_size": 16}
    results = evaluate_runs(model, digits(**options), seeds=(3, 1))
    assert [result.seed for result in results] == [3, 1]
    for result in results:
        assert result.steps == STEPS
        assert (result.episode_return, result.keep_fraction) == pytest.approx(
            by_hand(model, digits(**options), result.seed)
        )
        assert result.quality > 0.5
    if kind == "data-agent":
        assert {result.keep_fraction for result in results} == {0.25}


def test_policies_by_name_and_callables_are_evaluated_too() -> None:
    env = digits()
    (by_name,) = evaluate_runs("random", env, [2])
    (by_call,) = evaluate_runs(lambda seen: np.ones(len(seen)), env, [2])
    assert (by_name.keep_fraction, by_call.keep_fraction) == (0.5, 1.0)


def test_no_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^seeds=\[\] is empty"):
        evaluate_runs("random", digits(), [])


def test_a_model_does_not_learn_while_it_is_evaluated() -> None:
    model = learned("ppo")
    before, steps = weights(model), model.num_timesteps
    evaluate_runs(model, digits(), [0])
    assert weights(model) == before
    assert model.num_timesteps == steps


def test_evaluation_of_the_same_seed_is_the_same_and_leaves_random_states_alone() -> None:
    model, env = learned("ppo"), digits()
    torch_state, numpy_state = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # type: ignore[index]
    first, again = (evaluate_runs(model, env, [5])[0].episode_return for _ in range(2))
    assert first == again
    assert torch.get_rng_state().tolist() == torch_state
    assert np.random.get_state()[1].tolist() == numpy_state  # type: ignore[index]


# The callback


def logging(model: BaseAlgorithm) -> Recorder:
    recorder = Recorder()
    model.set_logger(Logger(folder=None, output_formats=[recorder]))
    return recorder


@pytest.mark.slow
def test_the_callback_evaluates_now_and_then_and_logs_means_over_the_seeds() -> None:
    env = digits()
    model = PPO("MlpPolicy", slots("keep"), n_steps=10, batch_size=160, gamma=0.0, seed=0, device="cpu")
    recorder = logging(model)
    watch = EvalRunsCallback(env, eval_freq=15, seeds=(0, 1))
    model.learn(40 * P, callback=watch)
    assert [len(results) for results in watch.results] == [2, 2]
    rows = [row for row in recorder.rows if "eval/mean_reward" in row]
    assert len(rows) == 2
    for row, results in zip(rows, watch.results, strict=True):
        assert all(isinstance(result, RunResult) for result in results)
        assert row["eval/mean_reward"] == pytest.approx(np.mean([result.episode_return for result in results]))
        for name in ("validation", "cost", "keep_fraction"):
            assert row[f"eval/{name}"] == pytest.approx(np.mean([getattr(result, name) for result in results]))
        assert row["eval/test_quality"] == pytest.approx(np.mean([result.quality for result in results]))
        assert "eval/quality" not in row


@pytest.mark.slow
def test_evaluating_does_not_change_what_is_learned() -> None:
    def after(*callbacks: EvalRunsCallback) -> list[float]:
        model = DataAgent(slots("score"), seed=0, device="cpu")
        logging(model)
        model.learn_run(callback=callbacks)
        return weights(model)

    assert after() == after(EvalRunsCallback(digits(), eval_freq=15))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [DQN, slow(SAC)])
def test_the_callback_serves_off_policy_algorithms(kind: Any) -> None:
    model = kind("MlpPolicy", slots("keep" if kind is DQN else "score"), buffer_size=640, seed=0, device="cpu")
    logging(model)
    watch = EvalRunsCallback(digits(), eval_freq=10)
    model.learn(20 * P, callback=watch)
    assert [[result.steps for result in results] for results in watch.results] == [[STEPS], [STEPS]]


def test_a_frequency_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="eval_freq=0"):
        EvalRunsCallback(digits(), eval_freq=0)


@pytest.mark.slow
def test_the_callback_takes_an_environment_of_gymnasium() -> None:
    model = DataAgent(slots("score"), seed=0, device="cpu")
    logging(model)
    watch = EvalRunsCallback(gym.make("DataSelect/Digits-v0", epochs=3, pool_size=P, batch_size=32), eval_freq=20)
    model.learn_run(callback=watch)
    assert [[result.steps for result in results] for results in watch.results] == [[STEPS], [STEPS]]


# Frozen policies elsewhere


def toy(features: int = 6) -> Task:
    def data(count: int, seed: int) -> TensorDataset:
        inputs = torch.randn(count, features, generator=torch.Generator().manual_seed(seed))
        return TensorDataset(inputs, inputs[:, :3].argmax(dim=1))

    return Task(
        name="toy",
        train=data(200, 0),
        validation=data(40, 1),
        test=data(50, 2),
        make_model=lambda: nn.Sequential(nn.Linear(features, 16), nn.ReLU(), nn.Linear(16, 3)),
        objective=Classification(),
        recipe=Recipe(epochs=6, batch_size=10, optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1)),
    )


@pytest.mark.parametrize("kind", [slow("ppo"), "data-agent"])
def test_a_frozen_policy_serves_another_pool_size_and_another_task(kind: str) -> None:
    model = learned(kind)
    policy = make_policy(model)
    for env, steps in [
        (digits(128), 10),
        (DataSelectEnv(toy(), keep_ratio=0.3), 2 * 4),
        (DataSelectEnv(toy(), pool_size=200, keep_ratio=0.3), 4),
    ]:
        result = run_policy(policy, env, 0)
        assert result.steps == steps
        assert result.quality > 0.4
        assert result.episode_return == pytest.approx(by_hand(model, env, 0)[0])
        if kind == "data-agent":
            assert result.keep_fraction == pytest.approx(env.keep_ratio, abs=0.01)


def test_a_model_that_learned_from_normalised_observations_is_shown_normalised_ones() -> None:
    normalised = VecNormalize(slots("score"), norm_reward=False)
    model = DataAgent(normalised, seed=0, device="cpu").learn(20 * P)
    statistics = normalised.obs_rms.mean.copy()

    def by_normalised(observation: NDArray[np.float32]) -> NDArray[np.bool_]:
        scores, _ = model.predict(normalised.normalize_obs(observation), deterministic=True)
        best = np.argsort(-scores[:, 0], kind="stable")[: len(observation) // 2]
        return np.isin(np.arange(len(observation)), best)

    (frozen,), (expected,) = (evaluate_runs(policy, digits(64), [0]) for policy in (model, by_normalised))
    assert frozen.episode_return == expected.episode_return
    assert normalised.obs_rms.mean.tolist() == statistics.tolist()


def test_a_loaded_model_serves_as_the_saved_one(tmp_path: Path) -> None:
    model = learned("data-agent")
    model.save(tmp_path / "agent")
    loaded = DataAgent.load(tmp_path / "agent", device="cpu")
    saved_result, loaded_result = (run_policy(FrozenPolicy(one), digits(128), 0) for one in (model, loaded))
    assert saved_result.episode_return == loaded_result.episode_return


@pytest.mark.parametrize("kind", ["ppo", "data-agent"])
def test_features_that_a_model_did_not_learn_with_are_refused(kind: str) -> None:
    model = learned(kind, features=["loss", "margin"])
    message = r"^features=\('loss', 'margin', 'age'\): .* needs an environment with features=\('loss', 'margin'\);"
    with pytest.raises(ValueError, match=message):
        evaluate_runs(model, digits(features=["loss", "margin", "age"]), [0])
