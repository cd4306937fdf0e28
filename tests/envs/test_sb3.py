from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete
from gymnasium.utils.env_checker import data_equivalence
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecCheckNan, VecNormalize, is_vecenv_wrapped

from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv
from data_select_gym.training import FunctionCallback

P, F, STEPS = 64, 8, 20
OPTIONS: dict[str, Any] = {"epochs": 3, "device": "cpu", "pool_size": P, "batch_size": 32}
same = partial(data_equivalence, exact=True)


def slots(**options: Any) -> SamplewiseVecEnv:
    return SamplewiseVecEnv("DataSelect/Digits-v0", **OPTIONS | options)


def actions_of(number: int) -> NDArray[np.int64]:
    return np.random.default_rng(number).integers(2, size=P)


def timeless(infos: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Infos without the seconds of an episode."""
    copies = deepcopy(infos)
    for info in copies:
        info.get("episode", {}).pop("t", None)
    return copies


def play(env: Any, steps: int = STEPS, seed: int | None = 0) -> list[Any]:
    if seed is not None:
        env.seed(seed)
    trace: list[Any] = [env.reset()]
    for number in range(steps):
        *result, infos = env.step(actions_of(number))
        trace += [*result, timeless(infos)]
    return trace


def test_slots_are_the_environments_that_stable_baselines_sees() -> None:
    env = slots(features=("loss", "margin"), render_mode="rgb_array")
    assert env.num_envs == P
    assert env.steps_per_run == STEPS
    assert env.observation_space == Box(np.float32([0, -1]), np.float32([1, 1]), dtype=np.float32)
    assert env.action_space == Discrete(2)
    assert slots(action="score").action_space == Box(0, 1, (1,), np.float32)
    assert env.render_mode == "rgb_array"
    assert env.unwrapped is env


def test_reset_gives_observations_and_keeps_an_info_for_each_slot() -> None:
    env = slots()
    observation = env.reset()
    assert isinstance(observation, np.ndarray)
    assert (observation.shape, observation.dtype) == ((P, F), np.float32)
    assert all(row in env.observation_space for row in observation)
    assert env.reset_infos[:-1] == [{}] * (P - 1)
    assert set(env.reset_infos[-1]) == {"pool_indices", "cost", "epoch", "progress", "eval"}


@pytest.mark.parametrize("action", ["keep", "score"])
def test_step_gives_what_stable_baselines_expects(action: str) -> None:
    env = slots(action=action)
    env.reset()
    env.action_space.seed(0)
    for number in range(1, STEPS + 3):
        observation, rewards, dones, infos = env.step(np.array([env.action_space.sample() for _ in range(P)]))
        assert (observation.shape, observation.dtype) == ((P, F), np.float32)
        assert all(row in env.observation_space for row in observation)
        assert (rewards.shape, rewards.dtype) == ((P,), np.float32)
        assert (dones.shape, dones.dtype) == ((P,), bool)
        assert dones.tolist() == [number == STEPS] * P
        assert np.array_equal(rewards, infos[-1]["sample_rewards"])
        assert [type(info) for info in infos] == [dict] * P
        assert len({id(info) for info in infos}) == P
        assert all(("episode" in info) == (number == STEPS and slot == P - 1) for slot, info in enumerate(infos))
        for array in (observation, rewards, dones):
            array[...] = 0  # all of them belong to the caller
        assert infos[-1]["sample_rewards"].any()


@pytest.mark.parametrize("autoreset", [True, False])
def test_earlier_results_do_not_change_with_later_steps(autoreset: bool) -> None:
    env = slots(autoreset=autoreset)
    results: list[Any] = [env.reset()]
    copies = [deepcopy(results[0])]
    for number in range(STEPS):
        results.append(list(env.step(actions_of(number))))
        copies.append(deepcopy(results[-1]))
    env.reset()
    env.step(actions_of(0))
    assert same(results, copies)
    results[-1][0][...] = 7
    assert same(results[-1][3], copies[-1][3])


def test_end_of_a_run_begins_the_next_and_says_how_it_ended() -> None:
    env, other = slots(), DataSelectEnv("digits", **OPTIONS)
    env.seed(0)
    assert np.array_equal(env.reset(), other.reset(seed=0)[0])
    for _ in range(2):
        rewards, steps = [], 0
        done = False
        while not done:
            observation, _, dones, infos = env.step(actions_of(steps))
            last, reward, done, *_ = other.step(actions_of(steps))
            rewards.append(reward)
            steps += 1
            assert dones.all() == done
        assert np.array_equal([info["terminal_observation"] for info in infos], last)
        assert [info["TimeLimit.truncated"] for info in infos] == [False] * P
        episode = infos[-1]["episode"]
        assert episode["r"] == sum(rewards) == other.episode_return
        assert [type(episode["r"]), episode["l"]] == [float, STEPS]
        assert 0 < episode["t"] <= env.env.seconds
        first, info = other.reset()
        assert np.array_equal(observation, first)
        assert same(env.reset_infos[-1], info)


def test_without_autoreset_the_last_observation_stays_and_the_next_step_is_an_error() -> None:
    env = slots(autoreset=False)
    env.reset()
    for number in range(STEPS):
        observation, _, dones, infos = env.step(actions_of(number))
    assert dones.all()
    assert env.env.run.done
    assert np.array_equal(observation, [info["terminal_observation"] for info in infos])
    assert infos[-1]["episode"]["l"] == STEPS
    with pytest.raises(ResetNeeded, match="over"):
        env.step(actions_of(0))
    env.reset()
    *_, dones, infos = env.step(actions_of(0))
    assert not dones.any()
    assert "episode" not in infos[-1]


def test_run_that_is_broken_off_is_not_counted_in_the_next_return() -> None:
    env = slots(reward="difficulty")
    play(env, 5)
    broken_off = play(env)
    assert same(broken_off, play(slots(reward="difficulty")))


@pytest.mark.slow
def test_seed_is_used_for_the_next_reset_only() -> None:
    env = slots()
    assert env.seed(3) == list(range(3, 3 + P))
    first, second = env.reset(), env.reset()
    again = slots()
    again.seed(3)
    assert same([again.reset(), again.reset()], [first, second])
    assert not same(first, second)
    assert not same(play(slots(), seed=0)[0], first)
    assert same(play(slots(), 2 * STEPS + 2), play(slots(), 2 * STEPS + 2))


def test_options_are_ignored_as_by_the_joint_environment() -> None:
    env, plain = slots(), slots()
    env.set_options({"hard": True})
    assert same(play(env, 2), play(plain, 2))


def test_environment_that_is_already_made_can_be_seen_by_slots() -> None:
    made = DataSelectEnv("digits", **OPTIONS)
    env = SamplewiseVecEnv(made)
    assert env.env is made
    assert same(play(env), play(slots()))


def test_attributes_and_methods_are_those_of_the_joint_environment_once_a_slot() -> None:
    env = slots()
    env.reset()
    assert env.get_attr("keep_ratio") == [0.5] * P
    assert env.get_attr("run", indices=0) == [env.env.run]
    assert env.get_attr("features", indices=[1, 5]) == [env.env.features] * 2
    assert env.has_attr("price")
    assert not env.has_attr("prize")
    with pytest.raises(AttributeError, match="prize"):
        env.get_attr("prize")
    listener = FunctionCallback(print)
    env.set_attr("callbacks", [listener])
    assert env.env.callbacks == [listener]
    calls: list[int] = []
    env.env.note = calls.append  # type: ignore[attr-defined]
    assert env.env_method("note", 7) == [None] * P
    assert env.env_method("note", 8, indices=[2, 3]) == [None] * 2
    assert calls == [7, 8]
    assert env.env_is_wrapped(gym.Wrapper) == [False] * P
    assert env.env_is_wrapped(gym.Wrapper, indices=[0]) == [False]


def test_picture_is_one_of_the_whole_run() -> None:
    env = slots(render_mode="rgb_array")
    env.reset()
    (picture,) = env.get_images()
    assert picture is not None
    assert np.array_equal(picture, env.env.render())
    drawn = env.render()
    assert drawn is not None
    assert np.array_equal(drawn, picture)


def test_seen_through_wrappers_of_stable_baselines_the_run_is_the_same() -> None:
    raw = slots()
    # Any NaN is an error of VecCheckNan.
    env = VecNormalize(VecCheckNan(slots()), gamma=0.0)
    assert env.steps_per_run == STEPS
    assert env.get_attr("keep_ratio") == [0.5] * P
    assert is_vecenv_wrapped(env, VecCheckNan)
    raw.seed(0)
    env.seed(0)
    raw.reset()
    env.reset()
    for number in range(STEPS + 3):
        observation, rewards, dones, infos = raw.step(actions_of(number))
        normal, _, same_dones, same_infos = env.step(actions_of(number))
        assert np.array_equal(env.get_original_obs(), observation)
        assert np.array_equal(env.get_original_reward(), rewards)
        assert np.array_equal(same_dones, dones)
        assert infos[-1].get("episode", {}).get("r") == same_infos[-1].get("episode", {}).get("r")
        assert np.isfinite(normal).all()
    assert env.obs_rms.mean.shape == (F,)
    assert env.obs_rms.count == pytest.approx((STEPS + 4) * P, rel=1e-3)


def test_statistics_of_observations_serve_another_pool_size(tmp_path: Path) -> None:
    env = VecNormalize(slots())
    play(env)
    env.save(str(tmp_path / "statistics.pkl"))
    other = VecNormalize.load(str(tmp_path / "statistics.pkl"), slots(pool_size=128))
    other.training = False
    observation = other.reset()
    assert observation.shape == (128, F)
    normal = (other.get_original_obs() - env.obs_rms.mean) / np.sqrt(env.obs_rms.var + env.epsilon)
    assert observation == pytest.approx(np.clip(normal, -env.clip_obs, env.clip_obs), rel=1e-4)


def test_closing_closes_the_joint_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    env, closed = slots(), []
    monkeypatch.setattr(env.env, "close", lambda: closed.append(True))
    env.close()
    assert closed == [True]


@pytest.mark.parametrize(
    ("action", "given", "message"),
    [
        ("keep", np.full(P, 2), r"actions holds .*2.*; each must be 0 \(drop\) or 1 \(keep\)"),
        ("keep", np.ones(P + 1), r"shape \(65,\); \(64,\) is needed"),
        ("score", np.full((P, 1), np.inf), r"scores\[0\]=inf; each must be finite, and is clipped to \[0, 1\]"),
    ],
)
def test_rejected_actions_change_nothing(action: str, given: NDArray[Any], message: str) -> None:
    env, undisturbed = slots(action=action), slots(action=action)
    for one in (env, undisturbed):
        one.seed(0)
        one.reset()
    for number in range(STEPS):
        with pytest.raises(ValueError, match=message):
            env.step(given)
        results = [list(one.step(actions_of(number))) for one in (env, undisturbed)]
        results = [[*result[:3], timeless(result[3])] for result in results]
        assert same(*results)


def test_step_before_reset_is_an_error() -> None:
    with pytest.raises(ResetNeeded, match="reset"):
        slots().step(actions_of(0))


@pytest.mark.parametrize(
    ("env", "options", "error", "message"),
    [
        ("DataSelect/Digits-v0", {"action": "drop"}, ValueError, "action='drop' is not known; known are: keep, score"),
        ("CartPole-v1", {}, TypeError, "env='CartPole-v1' is a CartPoleEnv; a DataSelectEnv or the id of one"),
        (None, {}, TypeError, "env=None is a NoneType; a DataSelectEnv or the id of one"),
        ("DataSelect/Digits-v0", {"keep_ratio": 0}, ValueError, r"keep_ratio=0 is not a number in \(0, 1\]"),
    ],
)
def test_wrong_argument_is_named_with_what_is_allowed(
    env: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        SamplewiseVecEnv(env, **options)


def test_environment_that_is_already_made_takes_no_options() -> None:
    with pytest.raises(TypeError, match=r"'epochs', 'keep_ratio'; .*already made takes no options"):
        SamplewiseVecEnv(DataSelectEnv("digits", **OPTIONS), epochs=4, keep_ratio=0.3)
