import random
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from data_select_gym.agents import Policy, available_policies, evaluate_runs, make_env, make_policy, run_policy
from data_select_gym.training import Checkpoints, FunctionCallback

from .mechanisms import by_mechanism
from .policy_runs import STEPS, P, digits, first_half, run, untimed


def test_the_result_tells_what_happened() -> None:
    env = digits(keep_ratio=0.25)
    result = run_policy(make_policy("random"), env, 3)
    plan = env.plan
    assert (result.seed, result.steps, result.keep_fraction) == (3, plan.selection_pools, 0.25)
    assert result.cost == pytest.approx((plan.full_pools - 0.75 * plan.selection_pools) / plan.full_pools)
    assert result.cost == env.run.cost
    assert result.token_cost is None
    assert result.quality == env.run.evaluations[-1].test["accuracy"]
    assert result.validation == env.run.evaluations[-1].validation["accuracy"]
    assert set(asdict(result)) == {
        *("seed", "quality", "validation", "cost", "keep_fraction"),
        *("episode_return", "steps", "seconds", "agent_seconds", "problems", "problems_late", "worst_class"),
        *("token_cost", "seconds_by_part"),
    }


def test_an_environment_of_gymnasium_is_driven_too() -> None:
    wrapped = gym.make("DataSelect/Digits-v0", epochs=3, pool_size=P, batch_size=32)
    assert untimed(run_policy(make_policy("random"), wrapped, 2)) == untimed(run("random", seed=2))


def test_another_environment_is_refused() -> None:
    with pytest.raises(TypeError, match=r"CartPoleEnv; a DataSelectEnv or the id of one is needed"):
        run_policy(make_policy("random"), gym.make("CartPole-v1"), 0)


def test_the_return_is_the_sum_of_the_rewards() -> None:
    result = run(first_half, seed=5)
    env = digits()
    observation, _ = env.reset(seed=5)
    total, terminated = 0.0, False
    while not terminated:
        observation, reward, terminated, _, _ = env.step(first_half(observation))
        total += reward
    assert result.episode_return == pytest.approx(total, rel=1e-12)


def test_the_mean_share_kept_is_that_of_the_steps_at_which_something_was_selected() -> None:
    shares = iter([0.0, 1.0] * (STEPS // 2))
    result = run(lambda seen: np.arange(P) < next(shares) * P)
    assert result.keep_fraction == 0.5


def test_the_agents_own_time_is_told_apart() -> None:
    def slow(observation: NDArray[np.float32]) -> NDArray[np.bool_]:
        time.sleep(0.005)
        return first_half(observation)

    began = time.perf_counter()
    result = run(slow)
    assert 0.005 * STEPS <= result.agent_seconds < result.seconds <= time.perf_counter() - began
    quick = run(first_half)
    assert 0 < quick.agent_seconds < 0.005 * STEPS


def test_the_seconds_of_a_learning_agent_have_its_updates_apart() -> None:
    parts = run("data-agent").seconds_by_part
    assert parts["update"] > 0
    assert parts["policy"] > 0
    assert run(first_half).seconds_by_part["update"] == 0


def test_seconds_are_those_of_the_run_alone_if_an_environment_drives_several() -> None:
    env, policy = digits(), make_policy(first_half)
    results = [run_policy(policy, env, seed) for seed in (0, 1)]
    assert sum(result.seconds - result.agent_seconds for result in results) == pytest.approx(env.seconds)


@pytest.mark.parametrize("name", by_mechanism(available_policies()))
def test_the_same_seed_gives_the_same_run_to_the_bit(name: str) -> None:
    first = run(name, seed=3)
    torch.manual_seed(123)
    np.random.seed(123)
    again = run(name, seed=3)
    assert untimed(first) == untimed(again)


def test_seeds_of_numpys_are_taken(tmp_path: Path) -> None:
    policy, seed = make_policy("random"), np.int64(3)
    options = {"epochs": np.int64(3), "pool_size": np.uint16(P), "batch_size": 32}
    env = make_env(policy, "DataSelect/Digits-v0", keep_ratio=np.float32(0.5), **options)
    expected = untimed(run("random", seed=3))
    assert untimed(run_policy(policy, env, seed)) == expected  # type: ignore[arg-type]
    assert untimed(run_policy(policy, env, seed, checkpoints=Checkpoints(tmp_path))) == expected  # type: ignore[arg-type]
    assert untimed(evaluate_runs("random", env, [seed])[0]) == expected  # type: ignore[list-item]
    assert untimed(evaluate_runs("random", env, np.array([3]))[0]) == expected
    assert type(expected.seed) is int


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random", "data-agent", "ppo", "dqn"])
def test_another_seed_gives_another_run(name: str) -> None:
    assert untimed(run(name, seed=3)) != untimed(replace(run(name, seed=4), seed=3))


@pytest.mark.parametrize("name", by_mechanism(available_policies()))
def test_global_random_states_are_left_as_they_were(name: str) -> None:
    def states() -> tuple[Any, ...]:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index]

    before = states()
    run(name)
    assert states() == before


@pytest.mark.parametrize("name", by_mechanism(["infobatch", "data-agent", "data-agent-paper", "ppo", "dqn", "td3"]))
def test_every_policy_gets_the_same_initial_weights_and_pools_from_a_seed(name: str) -> None:
    def begin(policy: Policy) -> tuple[list[float], list[list[int]]]:
        env = digits(policy)
        weights: list[float] = []
        pools: list[list[int]] = []

        def look(training: Any) -> None:
            if not weights:
                weights.extend(torch.cat([part.detach().flatten() for part in training.model.parameters()]).tolist())
            pools.append(training.pool.tolist())

        env.callbacks.append(FunctionCallback(look))
        run_policy(policy, env, 6)
        return weights, pools

    weights, pools = begin(make_policy("random"))
    # After the first pool of the warm-up, on which every policy trains in full.
    assert begin(make_policy(name)) == (weights, pools)
    assert len(pools) == 3 * STEPS
