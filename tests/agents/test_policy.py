import random
import sys
import time
from dataclasses import asdict, replace
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO

from data_select_gym.agents import (
    ALGORITHMS,
    POLICIES,
    RULES,
    CoevolvingPolicy,
    FrozenPolicy,
    InfoBatch,
    Policy,
    RunResult,
    drive,
    make_policy,
)
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, make_joint

P, STEPS = 64, 20  # a run of three epochs selects in the second of them


def digits(policy: Policy | None = None, **options: Any) -> DataSelectEnv:
    options = {"epochs": 3, "pool_size": P} | options
    env = make_joint("DataSelect/Digits-v0", **options)
    if policy is None:
        return env
    return make_joint("DataSelect/Digits-v0", **(options | policy.environment(env.plan, env.keep_ratio)))


def run(policy: Any, seed: int = 0, **options: Any) -> RunResult:
    made = make_policy(policy)
    return drive(made, digits(made, **options), seed)


def untimed(result: RunResult) -> RunResult:
    return replace(result, seconds=0.0, agent_seconds=0.0)


def first_half(observation: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.arange(len(observation)) < len(observation) // 2


class Selector:
    """A user's policy with a state of its own."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def select(self, observation: NDArray[np.float32]) -> NDArray[np.bool_]:
        self.seen.append(observation.shape)
        return first_half(observation)


class Starter(Selector):
    """A user's policy that looks at the run when it begins."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[DataSelectEnv, int]] = []

    def start(self, env: DataSelectEnv) -> None:
        self.started.append((env, len(self.seen)))


# A user's policies


def test_a_callable_selects() -> None:
    result = run(first_half)
    assert (result.steps, result.keep_fraction) == (STEPS, 0.5)


def test_a_callable_sees_the_observation_of_each_step() -> None:
    seen: list[NDArray[np.float32]] = []

    def keep_hard(observation: NDArray[np.float32]) -> NDArray[np.bool_]:
        seen.append(observation)
        return observation[:, 0] > 0.1

    run(keep_hard)
    assert len(seen) == STEPS
    env = digits()
    shown, _ = env.reset(seed=0)
    for observation in seen.copy():
        assert observation.tolist() == shown.tolist()
        shown, *_ = env.step(keep_hard(shown))


def test_an_object_with_select_selects() -> None:
    policy = Selector()
    assert run(policy).keep_fraction == 0.5
    assert policy.seen == [(P, 8)] * STEPS


def test_start_is_called_with_the_environment_before_the_first_choice_of_each_run() -> None:
    policy = Starter()
    env = digits()
    for seed in (0, 1):
        drive(make_policy(policy), env, seed)
    assert policy.started == [(env, 0), (env, STEPS)]


def test_a_subclass_of_policy_says_what_its_environment_needs() -> None:
    class Wants(Policy):
        def environment(self, plan: Any, keep_ratio: float) -> dict[str, Any]:
            return {"features": ("margin",)}

        def select(self, observation: NDArray[np.float32]) -> NDArray[Any]:
            assert observation.shape == (P, 1)
            return observation[:, 0] < 0.9

    policy = Wants()
    assert make_policy(policy) is policy
    assert 0 < run(policy).keep_fraction < 1


def test_a_policy_may_give_loss_weights() -> None:
    def mask(observation: NDArray[np.float32]) -> NDArray[Any]:
        return first_half(observation)

    def ones(observation: NDArray[np.float32]) -> NDArray[Any]:
        return first_half(observation).astype(float)

    def heavy(observation: NDArray[np.float32]) -> NDArray[Any]:
        return 3.5 * first_half(observation)

    masked, weighted, heavier = run(mask), run(ones), run(heavy)
    assert untimed(weighted) == untimed(masked)
    assert heavier.cost == masked.cost
    assert heavier.episode_return != masked.episode_return


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("policies_of_a_user")
    made.selector, made.function, made.number = Selector(), first_half, 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


@pytest.mark.parametrize("name", ["selector", "function"])
def test_a_policy_is_found_by_module_and_name(module: ModuleType, name: str) -> None:
    result = run(f"{module.__name__}:{name}")
    assert (result.steps, result.keep_fraction) == (STEPS, 0.5)


@pytest.mark.parametrize("path", ["policies_of_a_user:missing", "no_such_module:thing", "policies_of_a_user:", ":x"])
def test_a_path_that_leads_nowhere_is_named(module: ModuleType, path: str) -> None:
    with pytest.raises(ValueError, match=f"^policy='{path}'"):
        make_policy(path)


@pytest.mark.parametrize("wrong", [3, None, [first_half], object()], ids=repr)
def test_what_is_no_policy_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^policy=.* is not a name, a model, a callable or an object with select"):
        make_policy(wrong)


def test_what_is_no_policy_is_refused_if_found_by_name(module: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"^policy=7 is not"):
        make_policy(f"{module.__name__}:number")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (lambda seen: np.ones(3), rf"action has shape \(3,\); \({P},\) is needed"),
        (lambda seen: -np.ones(P), r"action\[0\]=-1.0; each must be finite and at least 0"),
        (lambda seen: np.full(P, np.nan), r"action\[0\]=nan"),
        (lambda seen: np.array(["keep"] * P), "booleans or numbers are needed"),
        (lambda seen: None, "action is of type object"),
    ],
    ids=["shape", "negative", "nan", "text", "nothing"],
)
def test_a_wrong_choice_of_a_policy_is_named(choice: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(choice)


def test_a_class_of_policies_is_made(module: ModuleType) -> None:
    module.kind = Selector  # type: ignore[attr-defined]
    for policy in (Selector, f"{module.__name__}:kind"):
        assert run(policy).keep_fraction == 0.5
    made = make_policy(InfoBatch, prune_ratio=0.25)
    assert isinstance(made, InfoBatch)
    assert made.prune_ratio == 0.25


# Names


def test_every_name_is_known_once() -> None:
    assert list(POLICIES) == [*RULES, *ALGORITHMS]
    assert len(set(POLICIES)) == len(POLICIES)
    assert {"ppo", "a2c", "dqn", "sac", "td3", "ddpg", "data-agent", "data-agent-paper"} == set(ALGORITHMS)
    assert all(isinstance(make_policy(name), CoevolvingPolicy) for name in ALGORITHMS)


@pytest.mark.parametrize("name", ["randon", "", "PPO"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=f"^policy='{name}' is not known") as caught:
        make_policy(name)
    assert all(known in str(caught.value) for known in POLICIES)


def test_a_rule_takes_options() -> None:
    made = make_policy("infobatch", prune_ratio=0.25)
    assert isinstance(made, InfoBatch)
    assert made.prune_ratio == 0.25


@pytest.mark.parametrize("policy", ["ppo", first_half, InfoBatch()], ids=["ppo", "callable", "object"])
def test_options_for_what_takes_none_are_refused(policy: Any) -> None:
    with pytest.raises(TypeError, match=r"takes no options, but was given prune_ratio, more"):
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


# Driving a run


def test_the_result_tells_what_happened() -> None:
    env = digits(keep_ratio=0.25)
    result = drive(make_policy("random"), env, 3)
    plan = env.plan
    assert (result.seed, result.steps, result.keep_fraction) == (3, plan.selection_pools, 0.25)
    assert result.cost == pytest.approx((plan.full_pools - 0.75 * plan.selection_pools) / plan.full_pools)
    assert result.cost == env.run.cost
    assert result.quality == env.run.evaluations[-1].test["accuracy"]
    assert result.validation == env.run.evaluations[-1].validation["accuracy"]
    assert set(asdict(result)) == {
        *("seed", "quality", "validation", "cost", "keep_fraction"),
        *("episode_return", "steps", "seconds", "agent_seconds"),
    }


def test_an_environment_of_gymnasium_is_driven_too() -> None:
    wrapped = gym.make("DataSelect/Digits-v0", epochs=3, pool_size=P)
    assert untimed(drive(make_policy("random"), wrapped, 2)) == untimed(run("random", seed=2))


def test_another_environment_is_refused() -> None:
    with pytest.raises(TypeError, match=r"CartPoleEnv; a DataSelectEnv or the id of one is needed"):
        drive(make_policy("random"), gym.make("CartPole-v1"), 0)


def test_the_return_is_the_sum_of_the_rewards() -> None:
    result = run(first_half, seed=5)
    env = digits()
    observation, _ = env.reset(seed=5)
    total, over = 0.0, False
    while not over:
        observation, reward, over, _, _ = env.step(first_half(observation))
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


def test_seconds_are_those_of_the_run_alone_if_an_environment_drives_several() -> None:
    env, policy = digits(), make_policy(first_half)
    results = [drive(policy, env, seed) for seed in (0, 1)]
    assert sum(result.seconds - result.agent_seconds for result in results) == pytest.approx(env.seconds)


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_seed_gives_the_same_run_to_the_bit(name: str) -> None:
    first = run(name, seed=3)
    torch.manual_seed(123)
    np.random.seed(123)
    again = run(name, seed=3)
    assert untimed(first) == untimed(again)


@pytest.mark.parametrize("name", ["random", "data-agent", "ppo", "dqn"])
def test_another_seed_gives_another_run(name: str) -> None:
    assert untimed(run(name, seed=3)) != untimed(replace(run(name, seed=4), seed=3))


@pytest.mark.parametrize("name", POLICIES)
def test_global_random_states_are_left_as_they_were(name: str) -> None:
    def states() -> tuple[Any, ...]:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index]

    before = states()
    run(name)
    assert states() == before


@pytest.mark.parametrize("name", ["infobatch", "data-agent", "data-agent-paper", "ppo", "dqn", "td3"])
def test_every_policy_gets_the_same_initial_weights_and_pools_from_a_seed(name: str) -> None:
    def begin(policy: Policy) -> tuple[list[float], list[list[int]]]:
        env = digits(policy)
        weights: list[float] = []
        pools: list[list[int]] = []

        def look(training: Any) -> None:
            if not weights:
                weights.extend(torch.cat([part.detach().flatten() for part in training.model.parameters()]).tolist())
            pools.append(training.pool.tolist())

        env.on_pool = look
        drive(policy, env, 6)
        return weights, pools

    weights, pools = begin(make_policy("random"))
    # After the first pool of the warm-up, on which every policy trains in full.
    assert begin(make_policy(name)) == (weights, pools)
    assert len(pools) == 3 * STEPS
