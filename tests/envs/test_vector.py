import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordVideo
from numpy.typing import NDArray

import data_select_gym  # noqa: F401
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, SamplewiseVectorEnv

from ..tiers import slow
from .joint_runs import same, weights
from .vector_runs import OPTIONS, STEPS, P, actions_of, gathered, joint, slots

# One step of a run in whatever view: observation, own rewards, whether it is over, the joint info.
Step = tuple[NDArray[np.float32], NDArray[np.float32], bool, dict[str, Any]]


def as_joint(env: DataSelectEnv, kind: str) -> Callable[[NDArray[Any]], Step]:
    def step(actions: NDArray[Any]) -> Step:
        observation, reward, terminated, _, info = (env.step if kind == "keep" else env.step_scores)(actions)
        assert reward == info["sample_rewards"].mean(dtype=np.float64)
        return observation, info["sample_rewards"], terminated, info

    return step


def as_vector(env: SamplewiseVectorEnv) -> Callable[[NDArray[Any]], Step]:
    def step(actions: NDArray[Any]) -> Step:
        observation, rewards, terminated, _, infos = env.step(actions)
        return observation, rewards.astype(np.float32), bool(terminated.all()), gathered(infos)

    return step


def as_vec_env(env: SamplewiseVecEnv) -> Callable[[NDArray[Any]], Step]:
    def step(actions: NDArray[Any]) -> Step:
        observation, rewards, terminated, infos = env.step(actions)
        info = {name: value for name, value in infos[-1].items() if name in DOCUMENTED}
        return observation, rewards, bool(terminated.all()), info

    return step


DOCUMENTED = {"indices", "kept", "sample_rewards", "reward_terms", "pool_indices"}
DOCUMENTED |= {"keep_fraction", "train_loss", "cost", "epoch", "progress", "eval"}


@pytest.mark.parametrize("kind", ["keep", "score"])
@pytest.mark.parametrize("reward", ["priced-composite", slow("composite")])
def test_three_views_are_one_run_to_the_bit(kind: str, reward: str) -> None:
    env, vector = joint(reward=reward), slots(reward=reward, action=kind)
    stable = SamplewiseVecEnv(
        "DataSelect/Digits-v0", pool_size=P, reward=reward, action=kind, autoreset=False, **OPTIONS
    )
    stable.seed(3)
    observation, info = env.reset(seed=3)
    of_vector, infos = vector.reset(seed=3)
    assert same([observation, info], [of_vector, gathered(infos)])
    assert same([observation, info], [stable.reset(), stable.reset_infos[-1]])
    steps = [as_joint(env, kind), as_vector(vector), as_vec_env(stable)]
    for number in range(STEPS):
        first, *others = (step(actions_of(kind, number)) for step in steps)
        assert all(same(first, other) for other in others)
        assert first[2] is (number == STEPS - 1)
    assert same(weights(env), weights(vector.env))
    assert same(weights(env), weights(stable.env))


@pytest.mark.parametrize("kind", ["keep", "score"])
def test_spaces_are_those_of_a_slot_and_their_batch(kind: str) -> None:
    env = slots(action=kind, features=("loss", "margin", "price"))
    single = env.single_observation_space
    assert single == Box(np.float32([0, -1, 0]), np.float32([1, 1, 1]), dtype=np.float32)
    assert env.observation_space == Box(np.tile(single.low, (P, 1)), np.tile(single.high, (P, 1)), dtype=np.float32)
    if kind == "keep":
        assert env.single_action_space == Discrete(2)
        assert env.action_space == MultiDiscrete([2] * P)
    else:
        assert env.single_action_space == Box(0, 1, (1,), np.float32)
        assert env.action_space == Box(0, 1, (P, 1), np.float32)


@pytest.mark.parametrize("kind", ["keep", "score"])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_what_is_returned_has_the_documented_shapes_and_types(kind: str, mode: AutoresetMode) -> None:
    env = slots(action=kind, autoreset_mode=mode)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    env.action_space.seed(0)
    for _ in range(STEPS + 2):
        observation, rewards, terminations, truncations, _ = env.step(env.action_space.sample())
        assert observation in env.observation_space
        assert (rewards.shape, rewards.dtype) == ((P,), np.float64)
        assert (terminations.shape, terminations.dtype) == ((P,), bool)
        assert (truncations.shape, truncations.dtype) == ((P,), bool)
        assert not truncations.any()
        for array in (observation, rewards, terminations, truncations):
            array[...] = 0  # all of them belong to the caller
    assert env.env.run.pool_number > 20


def test_scores_may_be_of_one_column_or_flat() -> None:
    traces = []
    for shape in ((P,), (P, 1)):
        env = slots(action="score")
        env.reset(seed=0)
        traces.append([env.step(actions_of("score", number).reshape(shape)) for number in range(3)])
    assert same(*traces)


def test_earlier_results_do_not_change_with_later_steps() -> None:
    env = slots(autoreset_mode="SameStep")
    results: list[Any] = [env.reset(seed=0)]
    copies = [deepcopy(results[0])]
    for number in range(STEPS + 1):
        results.append(env.step(actions_of("keep", number)))
        copies.append(deepcopy(results[-1]))
    assert all(same(list(result), list(copy)) for result, copy in zip(results, copies, strict=True))


@pytest.mark.slow
def test_same_seed_gives_the_same_runs_and_no_seed_goes_on() -> None:
    def two_runs(seed: int) -> list[Any]:
        env = slots()
        env.reset(seed=seed)
        return [list(env.step(actions_of("keep", number))) for number in range(2 * STEPS + 2)]

    first, again, other = two_runs(0), two_runs(0), two_runs(1)
    assert same(first, again)
    assert not same(first, other)
    assert not same(first[: STEPS - 1], first[STEPS + 1 : 2 * STEPS])


def test_make_vec_takes_the_samplewise_view_by_its_id_and_keeps_its_spec() -> None:
    env = gym.make_vec("DataSelect/DigitsSamplewise-v0", num_envs=P, epochs=3)
    assert isinstance(env, SamplewiseVectorEnv)
    assert env.num_envs == env.env.plan.pool_size == P
    assert env.spec is not None
    assert env.spec.kwargs["num_envs"] == P
    again = gym.make_vec(env.spec)
    assert same(list(env.reset(seed=0)), list(again.reset(seed=0)))


@pytest.mark.parametrize(
    ("options", "slots"), [({}, 128), ({"num_envs": 1}, 128), ({"pool_size": 32}, 32), ({"num_envs": 32}, 32)]
)
def test_slots_are_as_many_as_the_pool_has_where_their_number_is_left_out(options: dict[str, Any], slots: int) -> None:
    env = gym.make_vec("DataSelect/DigitsSamplewise-v0", epochs=3, **options)
    assert isinstance(env, SamplewiseVectorEnv)
    assert env.num_envs == env.env.plan.pool_size == slots
    assert env.reset(seed=0)[0].shape == (slots, 8)
    assert env.spec is not None
    assert gym.make_vec(env.spec).num_envs == slots


@pytest.mark.parametrize("number", [None, 1, 3])
def test_make_vec_of_an_environment_makes_as_many_runs(number: int | None) -> None:
    env = gym.make_vec("DataSelect/Digits-v0", **{} if number is None else {"num_envs": number}, epochs=3)
    assert isinstance(env, SyncVectorEnv)
    assert env.num_envs == (number or 1)
    assert env.observation_space.shape == (env.num_envs, 128, 8)


def test_runs_side_by_side_are_joint_environments() -> None:
    env = gym.make_vec("DataSelect/Digits-v0", num_envs=2, pool_size=P, **OPTIONS)
    assert isinstance(env, SyncVectorEnv)
    assert env.observation_space.shape == (2, P, 8)
    assert env.action_space.shape == (2, P)
    singles = [joint(), joint()]
    observation, _ = env.reset(seed=[4, 5])
    assert same(list(observation), [single.reset(seed=seed)[0] for single, seed in zip(singles, (4, 5), strict=True)])
    for number in range(STEPS):
        actions = np.stack([actions_of("keep", number), actions_of("keep", -number + 100)])
        observation, rewards, terminations, _, infos = env.step(actions)
        steps = [single.step(action) for single, action in zip(singles, actions, strict=True)]
        assert same(list(observation), [step[0] for step in steps])
        assert rewards.tolist() == [step[1] for step in steps]
        assert terminations.tolist() == [step[2] for step in steps]
        assert infos["cost"].tolist() == [step[4]["cost"] for step in steps]
        assert np.array_equal(infos["sample_rewards"], [step[4]["sample_rewards"] for step in steps])
    assert terminations.all()
    observation, *_ = env.step(actions)
    assert same(list(observation), [single.reset()[0] for single in singles])
    env.close()


@pytest.mark.slow
def test_gymnasium_records_a_video(tmp_path: Path) -> None:
    small = gym.make_vec(
        "DataSelect/DigitsSamplewise-v0", num_envs=4, keep_ratio=0.5, render_mode="rgb_array", **OPTIONS
    )
    env = RecordVideo(small, str(tmp_path / "videos"), step_trigger=lambda step: step == 0, video_length=2)
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.ones(4, np.int64))
    env.close()
    assert [path.stat().st_size > 0 for path in tmp_path.glob("videos/*.mp4")] == [True]


def test_picture_is_one_of_the_whole_run() -> None:
    env = slots(render_mode="rgb_array")
    env.reset(seed=0)
    pictures = env.render()
    assert pictures is not None
    assert len(pictures) == P
    assert all(picture is pictures[0] for picture in pictures)
    assert pictures[0].dtype == np.uint8
    assert pictures[0].shape == env.env.render().shape
    text = slots(render_mode="ansi")
    text.reset(seed=0)
    assert text.render() == (text.env.render(),) * P


def test_rendering_without_a_mode_warns() -> None:
    env = slots()
    env.reset(seed=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert env.render() is None
    assert ["render_mode" in str(warning.message) for warning in caught] == [True]


def test_attributes_and_methods_are_those_of_the_joint_environment_once_a_slot() -> None:
    env = slots()
    env.reset(seed=0)
    assert env.get_attr("keep_ratio") == (0.5,) * P
    assert env.get_attr("run") == (env.env.run,) * P
    assert env.call("keep_ratio") == (0.5,) * P
    calls: list[Any] = []
    env.env.note = lambda *given, **named: calls.append((given, named))  # type: ignore[attr-defined]
    assert env.call("note", 7, of="slots") == (None,) * P
    assert calls == [((7,), {"of": "slots"})]
    for values in (0.25, [0.25] * P, (0.25,) * P):
        env.env.keep_ratio = 0.5
        env.set_attr("keep_ratio", values)
        assert env.env.keep_ratio == 0.25
    with pytest.raises(AttributeError, match="prize"):
        env.get_attr("prize")
    with pytest.raises(ValueError, match="values has 2 values; 64 are needed, one for each slot"):
        env.set_attr("keep_ratio", [0.5, 0.5])
    with pytest.raises(
        ValueError, match=r"values=\[0\.25, 0\.5, .* the slots have one environment, and keep_ratio one value"
    ):
        env.set_attr("keep_ratio", [0.25, *[0.5] * (P - 1)])
    assert env.env.keep_ratio == 0.25


def test_closing_closes_the_joint_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    env, closed = slots(), []
    monkeypatch.setattr(env.env, "close", lambda: closed.append(True))
    env.close()
    assert closed == [True]


def test_options_of_a_reset_are_ignored_as_by_the_joint_environment() -> None:
    one, other = slots(), slots()
    assert same(list(one.reset(seed=0, options={"hard": True})), list(other.reset(seed=0)))
