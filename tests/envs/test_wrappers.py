import pickle
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete, MultiBinary
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.wrappers import RecordEpisodeStatistics, RescaleAction, TransformAction
from numpy.typing import NDArray

import data_select_gym  # noqa: F401
from data_select_gym.envs import DataSelectEnv, KeepRatioChoice, ScoreAction

P = 64
same = partial(data_equivalence, exact=True)


def digits(**options: Any) -> gym.Env[Any, Any]:
    return gym.make(
        "DataSelect/Digits-v0", **{"epochs": 3, "device": "cpu", "pool_size": P, "batch_size": 32} | options
    )


def plain(env: gym.Env[Any, Any]) -> DataSelectEnv:
    assert isinstance(env.unwrapped, DataSelectEnv)
    return env.unwrapped


def scores_of(number: int) -> NDArray[np.float32]:
    return np.random.default_rng(number).random(P, dtype=np.float32)


def scaled(losses: NDArray[Any]) -> NDArray[Any]:
    clipped = np.minimum(losses, np.quantile(losses, 0.95))
    return (clipped - clipped.min()) / (clipped.max() - clipped.min() + 1e-8)


def qualities(env: gym.Env[Any, Any]) -> dict[str, NDArray[Any]]:
    """The recorded quality of the pool now shown, by the formulas of Data Agent."""
    run = plain(env).run
    signals = run.ledger.read(run.pool)
    difficulty, uncertainty = scaled(signals.loss.double().numpy()), signals.uncertainty.double().numpy()
    weight = difficulty.var() / (difficulty.var() + uncertainty.var() + 1e-8)
    composite = weight * difficulty + (1 - weight) * uncertainty
    return {"difficulty": difficulty, "uncertainty": uncertainty, "composite": composite}


def test_action_spaces_are_scores_and_a_choice() -> None:
    assert ScoreAction(digits()).action_space == Box(0, 1, (P,), np.float32)
    assert KeepRatioChoice(digits()).action_space == Discrete(5)
    assert KeepRatioChoice(digits(), ratios=(0.2, 1)).action_space == Discrete(2)
    assert digits().action_space == gym.spaces.MultiBinary(P)


@pytest.mark.parametrize("keep_ratio", [0.25, 0.5, 1.0])
def test_scores_keep_the_best_share_as_the_environment_itself_does(keep_ratio: float) -> None:
    env, direct = ScoreAction(digits(keep_ratio=keep_ratio)), plain(digits(keep_ratio=keep_ratio))
    assert same(list(env.reset(seed=0)), list(direct.reset(seed=0)))
    terminated, number = False, 0
    while not terminated:
        scores = scores_of(number)
        result, expected = env.step(scores), direct.step_scores(scores)
        # The priced reward pays for keeping, whatever the score was.
        assert same(list(result), list(expected))
        kept = np.sort(scores)[::-1][: round(keep_ratio * P)].min() <= scores
        assert np.array_equal(result[-1]["kept"], kept)
        terminated, number = result[2], number + 1
    assert number == 20


def test_scores_are_rewarded_as_the_mask_that_they_make() -> None:
    env, masked = ScoreAction(digits(reward="composite")), digits(reward="composite")
    env.reset(seed=0)
    masked.reset(seed=0)
    result = env.step(scores_of(0))
    assert same(list(result), list(masked.step(result[-1]["kept"].astype(np.int8))))


@pytest.mark.parametrize("quality", ["difficulty", "uncertainty", "composite"])
def test_choice_keeps_the_chosen_share_with_the_highest_recorded_quality(quality: str) -> None:
    env = KeepRatioChoice(digits(), ratios=(0.1, 0.5, 1.0, 0.001), quality=quality)
    env.reset(seed=0)
    for number in range(12):
        values = qualities(env)[quality]
        *_, info = env.step(number % 4)
        count = (6, 32, 64, 1)[number % 4]
        if count == 1:
            assert not info["kept"].any()  # a single sample is too few for an update
        else:
            assert info["kept"].sum() == count
            assert values[info["kept"]].min() >= np.sort(values)[-count] - 1e-6


def test_quality_of_a_choice_is_the_composite_by_default() -> None:
    results = []
    for options in ({}, {"quality": "composite"}, {"quality": "uncertainty"}):
        env = KeepRatioChoice(digits(), **options)
        env.reset(seed=0)
        results.append(env.step(1)[-1]["kept"])
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_choice_may_be_of_any_integer_type() -> None:
    kept = []
    for action in (2, np.int64(2), np.int32(2), np.array(2)):
        env = KeepRatioChoice(digits())
        env.reset(seed=0)
        kept.append(env.step(action)[-1]["kept"].sum())
    assert kept == [P // 2] * 4


def test_wrappers_may_stand_between_others() -> None:
    for wrapped in (ScoreAction(digits()), KeepRatioChoice(plain(digits()))):
        env = RecordEpisodeStatistics(wrapped)
        env.reset(seed=0)
        env.action_space.seed(0)
        rewards, terminated = [], False
        while not terminated:
            _, reward, terminated, _, info = env.step(env.action_space.sample())
            rewards.append(reward)
        assert info["episode"]["r"] == pytest.approx(sum(rewards))
        assert info["episode"]["l"] == 20


@pytest.mark.parametrize(
    ("wrapper", "options", "action"),
    [(ScoreAction, {}, scores_of(0)), (KeepRatioChoice, {"ratios": [0.2, 1.0], "quality": "uncertainty"}, 0)],
)
def test_spec_makes_the_wrapped_environment_again_also_by_way_of_json_and_pickle(
    wrapper: Any, options: dict[str, Any], action: Any
) -> None:
    env = wrapper(digits(), **options)
    expected = [env.reset(seed=0), env.step(action)]
    assert env.spec is not None
    for spec in (env.spec, EnvSpec.from_json(env.spec.to_json()), pickle.loads(pickle.dumps(env.spec))):
        again = gym.make(spec)
        assert type(again) is type(env)
        assert again.spec == env.spec
        assert again.action_space == env.action_space
        assert same([again.reset(seed=0), again.step(action)], expected)


@pytest.mark.parametrize("wrapper", [ScoreAction, KeepRatioChoice])
@pytest.mark.parametrize("make", [digits, lambda: plain(digits())], ids=["made", "plain"])
def test_step_before_reset_is_an_error(wrapper: Any, make: Any) -> None:
    env = wrapper(make())
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(env.action_space.sample())


@pytest.mark.parametrize("wrapper", [ScoreAction, KeepRatioChoice])
def test_other_environments_are_refused(wrapper: Any) -> None:
    with pytest.raises(TypeError, match=r"env=.*CartPole.* is not a DataSelectEnv, wrapped or not"):
        wrapper(gym.make("CartPole-v1"))


@pytest.mark.parametrize("wrapper", [ScoreAction, KeepRatioChoice])
@pytest.mark.parametrize("within", [ScoreAction, KeepRatioChoice, lambda env: RescaleAction(ScoreAction(env), -1, 1)])
def test_wrappers_of_actions_around_others_are_refused(wrapper: Any, within: Any) -> None:
    env = RecordEpisodeStatistics(within(digits()))
    with pytest.raises(
        ValueError, match=r"^env=.* takes actions in \w+\(.*\); one that takes masks, MultiBinary\(64\),"
    ):
        wrapper(env)


@pytest.mark.parametrize("wrapper", [ScoreAction, KeepRatioChoice])
def test_a_wrapper_whose_actions_are_masks_too_may_be_within(wrapper: Any) -> None:
    env = wrapper(TransformAction(digits(), lambda mask: 1 - mask, MultiBinary(P)))
    env.reset(seed=0)
    action = scores_of(0) if wrapper is ScoreAction else 1
    other = wrapper(digits())
    other.reset(seed=0)
    assert np.array_equal(env.step(action)[-1]["kept"], ~other.step(action)[-1]["kept"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratios": ()}, r"ratios=\(\) is empty; at least one keep ratio is needed"),
        ({"ratios": (0.5, 0)}, r"ratios=0 is not a number in \(0, 1\]"),
        ({"ratios": (0.5, 1.1)}, r"ratios=1\.1 is not a number in \(0, 1\]"),
        ({"ratios": (-0.5,)}, r"ratios=-0\.5 is not"),
        ({"ratios": (float("nan"),)}, "ratios=nan is not"),
        ({"ratios": ("half",)}, "ratios='half' is not"),
        ({"quality": "loss"}, "quality='loss' is not known; known are: difficulty, uncertainty, composite"),
    ],
)
def test_wrong_ratio_or_quality_is_named_with_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KeepRatioChoice(digits(), **options)


@pytest.mark.parametrize(
    ("wrapper", "action", "message"),
    [
        (KeepRatioChoice, 5, "action=5 is not a whole number from 0 to 4"),
        (KeepRatioChoice, -1, "action=-1 is not"),
        (KeepRatioChoice, 0.5, r"action=0\.5 is not"),
        (KeepRatioChoice, "0", "action='0' is not"),
        (ScoreAction, np.ones(P - 1), r"action has shape \(63,\); \(64,\) is needed"),
        (ScoreAction, np.full(P, np.nan), r"action\[0\]=nan; each must be"),
        (ScoreAction, np.full(P, np.inf), r"action\[0\]=inf; each must be finite, and is clipped to \[0, 1\]"),
        (ScoreAction, np.array(["high"] * P), "action is of type <U4; booleans or numbers are needed"),
    ],
)
def test_rejected_action_is_named_and_changes_nothing(wrapper: Any, action: Any, message: str) -> None:
    env, undisturbed = wrapper(digits()), wrapper(digits())
    env.reset(seed=0)
    undisturbed.reset(seed=0)
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            env.step(action)
        good = undisturbed.action_space.sample()
        assert same(list(env.step(good)), list(undisturbed.step(good)))
