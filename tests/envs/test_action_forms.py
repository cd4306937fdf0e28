"""Forms of actions and of observations, by arguments of the environment."""

import pickle
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.wrappers import FlattenObservation
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

import data_select_gym  # noqa: F401
from data_select_gym.agents import PoolPolicy, make_env, make_policy, run_policy
from data_select_gym.envs import DataSelectEnv, KeepRatioChoice, SamplewiseVecEnv, ScoreAction, as_base_env

P, F = 64, 8
same = partial(data_equivalence, exact=True)


def digits(**options: Any) -> gym.Env[Any, Any]:
    return gym.make(
        "DataSelect/Digits-v0", **{"epochs": 3, "device": "cpu", "pool_size": P, "batch_size": 32} | options
    )


def play(env: gym.Env[Any, Any], steps: int = 4) -> list[Any]:
    trace: list[Any] = [env.reset(seed=0)]
    env.action_space.seed(0)
    return trace + [env.step(env.action_space.sample()) for _ in range(steps)]


SPACES = {
    "mask": MultiBinary(P),
    "scores": Box(0, 1, (P,), np.float32),
    "keep-ratio": Discrete(5),
    "multi-discrete": MultiDiscrete([2] * P),
}


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("action", SPACES)
def test_forms_are_what_the_wrappers_make(action: str, flat: bool) -> None:
    env, other = digits(action=action, flat_observation=flat), digits()
    wrapped = {"scores": ScoreAction, "keep-ratio": KeepRatioChoice}.get(action, lambda env: env)(other)
    wrapped = FlattenObservation(wrapped) if flat else wrapped
    assert env.action_space == SPACES[action]
    assert env.observation_space == wrapped.observation_space
    assert env.observation_space.shape == ((P * F,) if flat else (P, F))
    if action == "multi-discrete":
        ours, theirs = play(env), [other.reset(seed=0)]
        theirs += [other.step(step[-1]["kept"].astype(np.int8)) for step in ours[1:]]
        if flat:
            theirs = [(step[0].reshape(-1), *step[1:]) for step in theirs]
        assert same(ours, theirs)
    else:
        assert same(play(env), play(wrapped))


@pytest.mark.parametrize("action", SPACES)
def test_gymnasiums_checker_is_content_with_every_form(action: str) -> None:
    env = digits(action=action, flat_observation=True, pool_size=640)
    check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("action", SPACES)
def test_spec_makes_the_form_again_by_way_of_json_and_pickle(action: str) -> None:
    env = digits(action=action, flat_observation=True)
    assert env.spec is not None
    for spec in (EnvSpec.from_json(env.spec.to_json()), pickle.loads(pickle.dumps(env.spec))):
        again = gym.make(spec)
        assert (again.action_space, again.observation_space) == (env.action_space, env.observation_space)


@pytest.mark.parametrize(
    ("form", "action", "message"),
    [
        ("multi-discrete", np.full(P, 2), r"action\[0\]=2; each must be 0 \(drop\) or 1 \(keep\)"),
        ("multi-discrete", np.full(P, 0.5), r"action\[0\]=0\.5; each must be 0"),
        ("multi-discrete", np.ones(P - 1), r"action has shape \(63,\); \(64,\) is needed"),
        ("keep-ratio", 5, "action=5 is not a whole number from 0 to 4"),
        ("scores", np.full(P, np.nan), r"action\[0\]=nan; each must be finite"),
    ],
)
def test_actions_of_another_form_are_refused_and_the_run_goes_on(form: str, action: Any, message: str) -> None:
    env, undisturbed = digits(action=form), digits(action=form)
    env.reset(seed=0)
    undisturbed.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)
    good = undisturbed.action_space.sample()
    assert same(list(env.step(good)), list(undisturbed.step(good)))


@pytest.mark.parametrize("action", SPACES)
def test_a_step_before_reset_is_an_error_in_every_form(action: str) -> None:
    env = digits(action=action).unwrapped
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(env.action_space.sample())


OTHERS: list[dict[str, Any]] = [{"action": "scores"}, {"flat_observation": True}, {"action": "multi-discrete"}]


@pytest.mark.parametrize("options", OTHERS)
def test_what_shows_pools_and_gives_masks_refuses_other_forms(options: dict[str, Any]) -> None:
    (name, value) = next(iter(options.items()))
    message = rf"the environment was made with {name}={value!r}, for agents that act on it directly"
    env, policy = digits(**options), make_policy("random")
    for use in (as_base_env, SamplewiseVecEnv, lambda env: run_policy(policy, env, seed=0)):
        with pytest.raises(ValueError, match=message):
            use(env)
    with pytest.raises(ValueError, match=message):
        make_env(policy, "DataSelect/Digits-v0", epochs=3, **options)
    if "action" in options:
        for wrapper in (ScoreAction, KeepRatioChoice):
            with pytest.raises(ValueError, match=rf"was made with {name}={value!r}; one that takes masks is needed"):
                wrapper(env)


def test_a_policy_of_pools_refuses_other_forms() -> None:
    for options in OTHERS:
        with pytest.raises(ValueError, match="are not those of a pool"):
            PPO(PoolPolicy, digits(**options), device="cpu")


LEARNED: list[tuple[type[BaseAlgorithm], dict[str, Any]]] = [
    (PPO, {"flat_observation": True}),
    (PPO, {"action": "multi-discrete"}),
    (A2C, {"action": "scores", "flat_observation": True}),
]


@pytest.mark.parametrize(("algorithm", "options"), LEARNED)
def test_models_learned_in_other_forms_serve_as_policies(
    algorithm: type[BaseAlgorithm], options: dict[str, Any]
) -> None:
    env = digits(**options)
    model = algorithm("MlpPolicy", env, device="cpu", seed=0)  # type: ignore[call-arg]
    joint = digits()
    assert isinstance(joint.unwrapped, DataSelectEnv)
    result = run_policy(make_policy(model), joint, seed=0)
    observation, _ = env.reset(seed=0)
    terminated = False
    while not terminated:
        action, _ = model.predict(observation, deterministic=True)
        observation, _, terminated, _, _ = env.step(action)
    assert isinstance(env.unwrapped, DataSelectEnv)
    assert result.cost == env.unwrapped.run.cost
    assert joint.unwrapped.keep_fractions == env.unwrapped.keep_fractions


def test_a_model_that_chooses_a_ratio_is_refused_as_a_policy() -> None:
    model = DQN("MlpPolicy", digits(action="keep-ratio", flat_observation=True), device="cpu", buffer_size=10)
    with pytest.raises(ValueError, match=r"gives actions in Discrete\(5\); masks or scores of whole pools are needed"):
        run_policy(make_policy(model), digits(), seed=0)
