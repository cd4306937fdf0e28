import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import NormalizeReward, RecordEpisodeStatistics
from numpy.typing import NDArray

import data_select_gym  # noqa: F401
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, SamplewiseVectorEnv

P = 64
OPTIONS: dict[str, Any] = {"epochs": 3, "device": "cpu"}
STEPS = 20
same = partial(data_equivalence, exact=True)
# One step of a run in whatever view: observation, own rewards, whether it is over, the joint info.
Step = tuple[NDArray[np.float32], NDArray[np.float32], bool, dict[str, Any]]


def slots(**options: Any) -> SamplewiseVectorEnv:
    made = gym.make_vec(
        "DataSelect/Digits-v0", num_envs=P, vectorization_mode="vector_entry_point", **OPTIONS | options
    )
    assert isinstance(made, SamplewiseVectorEnv)
    return made


def joint(**options: Any) -> DataSelectEnv:
    return DataSelectEnv("digits", pool_size=P, **OPTIONS | options)


def actions_of(kind: str, number: int) -> NDArray[Any]:
    generator = np.random.default_rng(number)
    return generator.integers(2, size=P) if kind == "keep" else generator.random(P, dtype=np.float32)


def weights(env: DataSelectEnv) -> list[NDArray[Any]]:
    return [value.numpy().copy() for value in env.run.model.state_dict().values()]


def gathered(infos: dict[str, Any]) -> dict[str, Any]:
    """The joint info that vector infos were spread from; every slot must have the same of what is not its own."""
    info = {}
    for name, value in infos.items():
        if name.startswith("_"):
            assert value.dtype == bool
            assert value.tolist() == [True] * P
        elif isinstance(value, dict):
            assert f"_{name}" in infos
            info[name] = gathered(value)
        else:
            assert f"_{name}" in infos
            assert value.shape == (P,)
            own = name in ("indices", "pool_indices", "kept", "sample_rewards")
            assert own or len(set(value.tolist())) == 1
            info[name] = value if own else value[0].item()
    return info


def as_joint(env: DataSelectEnv, kind: str) -> Callable[[NDArray[Any]], Step]:
    def step(actions: NDArray[Any]) -> Step:
        observation, reward, over, _, info = (env.step if kind == "keep" else env.step_scores)(actions)
        assert reward == info["sample_rewards"].mean(dtype=np.float64)
        return observation, info["sample_rewards"], over, info

    return step


def as_vector(env: SamplewiseVectorEnv) -> Callable[[NDArray[Any]], Step]:
    def step(actions: NDArray[Any]) -> Step:
        observation, rewards, over, _, infos = env.step(actions)
        return observation, rewards.astype(np.float32), bool(over.all()), gathered(infos)

    return step


def as_vec_env(env: SamplewiseVecEnv) -> Callable[[NDArray[Any]], Step]:
    def step(actions: NDArray[Any]) -> Step:
        observation, rewards, over, infos = env.step(actions)
        info = {name: value for name, value in infos[-1].items() if name in DOCUMENTED}
        return observation, rewards, bool(over.all()), info

    return step


DOCUMENTED = {"indices", "kept", "sample_rewards", "reward_terms", "pool_indices"}
DOCUMENTED |= {"keep_fraction", "train_loss", "cost", "epoch", "progress", "eval"}


@pytest.mark.parametrize("kind", ["keep", "score"])
@pytest.mark.parametrize("reward", ["priced-composite", "composite"])
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


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, "NextStep"])
def test_step_after_the_end_begins_the_next_run_and_ignores_its_actions(mode: Any) -> None:
    env, other = slots(autoreset_mode=mode), joint()
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    env.reset(seed=0)
    other.reset(seed=0)
    for number in range(STEPS):
        *_, terminations, _, _ = env.step(actions_of("keep", number))
        assert terminations.tolist() == [number == STEPS - 1] * P
    observation, rewards, terminations, truncations, infos = env.step(np.full((3, 3), np.nan))
    expected, info = other.reset()
    assert same([observation, gathered(infos)], [expected, info])
    assert [rewards.any(), terminations.any(), truncations.any()] == [False] * 3
    _, rewards, terminations, *_ = env.step(actions_of("keep", 0))
    _, reward, *_ = other.step(actions_of("keep", 0))
    assert rewards.mean() == pytest.approx(reward)
    assert not terminations.any()


def test_step_that_ends_a_run_can_begin_the_next_and_keeps_what_was_last() -> None:
    env, other = slots(autoreset_mode="SameStep"), joint()
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert SamplewiseVectorEnv.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    env.reset(seed=0)
    other.reset(seed=0)
    for number in range(STEPS):
        observation, rewards, terminations, _, infos = env.step(actions_of("keep", number))
        last, reward, over, _, info = other.step(actions_of("keep", number))
        assert rewards.mean() == pytest.approx(reward)
        assert terminations.tolist() == [over] * P
        assert ("final_obs" in infos) is over
    final, final_infos = infos.pop("final_obs"), infos.pop("final_info")
    assert infos.pop("_final_obs").tolist() == infos.pop("_final_info").tolist() == [True] * P
    assert (final.shape, final.dtype) == ((P,), object)
    assert same([np.stack(final), gathered(final_infos)], [last, info])
    assert same([observation, gathered(infos)], list(other.reset()))
    *_, terminations, _, infos = env.step(actions_of("keep", 0))
    assert not terminations.any()
    assert "final_obs" not in infos


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_gymnasium_records_the_true_return_of_every_slot(mode: AutoresetMode) -> None:
    env = RecordEpisodeStatistics(slots(autoreset_mode=mode))
    env.reset(seed=0)
    for _ in range(2):
        returns = np.zeros(P)
        for number in range(STEPS):
            _, rewards, terminations, _, infos = env.step(actions_of("keep", number))
            returns += rewards
        assert terminations.all()
        assert infos["_episode"].all()
        assert infos["episode"]["r"] == pytest.approx(returns)
        assert infos["episode"]["l"].tolist() == [STEPS] * P
        if mode is AutoresetMode.NEXT_STEP:
            env.step(actions_of("keep", 0))
    assert len(set(returns.tolist())) > P / 2


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_gymnasium_can_normalise_the_rewards(mode: AutoresetMode) -> None:
    env = NormalizeReward(slots(autoreset_mode=mode), gamma=0.0)
    env.reset(seed=0)
    rewards = [env.step(actions_of("keep", number))[1] for number in range(2 * STEPS)]
    assert np.isfinite(rewards).all()
    assert 0.5 < np.std(rewards) < 2


def test_earlier_results_do_not_change_with_later_steps() -> None:
    env = slots(autoreset_mode="SameStep")
    results: list[Any] = [env.reset(seed=0)]
    copies = [deepcopy(results[0])]
    for number in range(STEPS + 1):
        results.append(env.step(actions_of("keep", number)))
        copies.append(deepcopy(results[-1]))
    assert all(same(list(result), list(copy)) for result, copy in zip(results, copies, strict=True))


def test_same_seed_gives_the_same_runs_and_no_seed_goes_on() -> None:
    def two_runs(seed: int) -> list[Any]:
        env = slots()
        env.reset(seed=seed)
        return [list(env.step(actions_of("keep", number))) for number in range(2 * STEPS + 2)]

    first, again, other = two_runs(0), two_runs(0), two_runs(1)
    assert same(first, again)
    assert not same(first, other)
    assert not same(first[: STEPS - 1], first[STEPS + 1 : 2 * STEPS])


def test_make_vec_takes_the_samplewise_view_by_default_and_keeps_its_spec() -> None:
    env = gym.make_vec("DataSelect/Digits-v0", num_envs=P, epochs=3)
    assert isinstance(env, SamplewiseVectorEnv)
    assert env.num_envs == env.env.plan.pool_size == P
    assert env.spec is not None
    assert env.spec.kwargs["num_envs"] == P
    again = gym.make_vec(env.spec)
    assert same(list(env.reset(seed=0)), list(again.reset(seed=0)))


def test_joint_environments_can_be_vectorised_by_gymnasium() -> None:
    env = gym.make_vec("DataSelect/Digits-v0", num_envs=2, vectorization_mode="sync", pool_size=P, **OPTIONS)
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


def test_picture_is_one_of_the_whole_run() -> None:
    env = slots(render_mode="rgb_array")
    env.reset(seed=0)
    (picture,) = env.render()
    assert picture.dtype == np.uint8
    assert picture.shape == env.env.render().shape
    text = slots(render_mode="ansi")
    text.reset(seed=0)
    assert text.render() == (text.env.render(),)


def test_rendering_without_a_mode_warns() -> None:
    env = slots()
    env.reset(seed=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert env.render() is None
    assert ["render_mode" in str(warning.message) for warning in caught] == [True]


def test_closing_closes_the_joint_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    env, closed = slots(), []
    monkeypatch.setattr(env.env, "close", lambda: closed.append(True))
    env.close()
    assert closed == [True]


def test_step_before_reset_is_an_error() -> None:
    with pytest.raises(ResetNeeded, match="reset"):
        slots().step(actions_of("keep", 0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_envs": 1}, "num_envs=1 is not a whole number of at least 2"),
        ({"num_envs": 2.5}, r"num_envs=2\.5 is not a whole number"),
        ({"num_envs": 1281}, "pool_size=1281 .* at most 1280"),
        ({"pool_size": 32}, "num_envs=64 .* pool_size must be the same or left out"),
        ({"autoreset_mode": AutoresetMode.DISABLED}, "autoreset_mode=.*Disabled.* are:? (NEXT_STEP|NextStep)"),
        ({"autoreset_mode": "later"}, "autoreset_mode='later' is not known; known are: NextStep, SameStep"),
        ({"action": "drop"}, "action='drop' is not known; known are: keep, score"),
        ({"keep_ratio": 2}, "keep_ratio=2 "),
        ({"render_mode": "human"}, "render_mode='human' is not known; known are: rgb_array, ansi"),
    ],
)
def test_wrong_argument_is_named_with_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SamplewiseVectorEnv(**{"num_envs": P, "task": "digits"} | OPTIONS | options)


@pytest.mark.parametrize("pool_size", [P, None])
def test_pool_size_may_be_repeated(pool_size: int | None) -> None:
    assert SamplewiseVectorEnv(P, task="digits", pool_size=pool_size, **OPTIONS).env.plan.pool_size == P


@pytest.mark.parametrize(
    ("kind", "actions", "message"),
    [
        ("keep", np.full(P, 2), r"actions holds 2; each must be 0 \(drop\) or 1 \(keep\)"),
        ("keep", np.full(P, 0.5), r"actions holds 0\.5; "),
        ("keep", np.full(P, np.nan), "actions holds nan; "),
        ("keep", np.ones(P - 1), r"shape \(63,\); \(64,\) is needed"),
        ("keep", np.ones((P, 2)), r"shape \(64, 2\); \(64,\) is needed"),
        ("score", np.full(P, 1.5), r"scores.*1\.5; each must be in \[0, 1\]"),
        ("score", np.full(P, -0.1), r"scores\[0\]=-0\.1; each must be"),
        ("score", np.full((P, 1), np.nan), r"scores\[0\]=nan"),
        ("score", np.ones((1, P)), r"shape \(1, 64\)"),
    ],
)
def test_rejected_actions_are_named_and_change_nothing(kind: str, actions: NDArray[Any], message: str) -> None:
    env, undisturbed = slots(action=kind), slots(action=kind)
    env.reset(seed=0)
    undisturbed.reset(seed=0)
    for number in range(3):
        with pytest.raises(ValueError, match=message):
            env.step(actions)
        given = actions_of(kind, number)
        assert same(list(env.step(given)), list(undisturbed.step(given)))
    assert same(weights(env.env), weights(undisturbed.env))
