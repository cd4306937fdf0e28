import inspect
import pkgutil
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.wrappers import RecordEpisodeStatistics, RecordVideo, TimeLimit
from numpy.typing import NDArray
from sb3_contrib.common import wrappers as contrib
from stable_baselines3 import PPO, common
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor, load_results
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from data_select_gym.agents import EvalRunsCallback, FrozenPolicy, evaluate_runs, make_policy, run_policy
from data_select_gym.envs import DataSelectEnv, KeepRatioChoice, SamplewiseVecEnv, ScoreAction, as_base_env

P, STEPS = 128, 10
OPTIONS: dict[str, Any] = {"epochs": 3, "device": "cpu"}

CHECK = {"PassiveEnvChecker", "OrderEnforcing"}
RECORD = {"RecordEpisodeStatistics", "RecordVideo", "HumanRendering", "Monitor"}
CHANGE = {
    # Gymnasium's
    *("AddRenderObservation", "AddWhiteNoise", "AtariPreprocessing", "Autoreset", "ClipAction", "ClipReward"),
    *("DelayObservation", "DiscretizeAction", "DiscretizeObservation", "DtypeObservation", "FilterObservation"),
    *("FlattenObservation", "FrameStackObservation", "GrayscaleObservation", "MaxAndSkipObservation"),
    *("NormalizeObservation", "NormalizeReward", "ObstructView", "RenderCollection", "RepeatAction", "RescaleAction"),
    *("RescaleObservation", "ReshapeObservation", "ResizeObservation", "StickyAction", "TimeAwareObservation"),
    *("TimeLimit", "TransformAction", "TransformObservation", "TransformReward"),
    # Gymnasium's that need further libraries
    *("ArrayConversion", "JaxToNumpy", "JaxToTorch", "NumpyToTorch"),
    # Stable-Baselines3's and sb3-contrib's
    *("StickyActionEnv", "NoopResetEnv", "FireResetEnv", "EpisodicLifeEnv", "MaxAndSkipEnv", "ClipRewardEnv"),
    *("WarpFrame", "AtariWrapper", "TimeFeatureWrapper", "ActionMasker"),
}
# Of those that change something, what a model that has learned with them does without, or has done for it.
REWARD = {"ClipReward", "NormalizeReward", "TransformReward", "ClipRewardEnv"}
DONE = {"FlattenObservation", "ScoreAction", "KeepRatioChoice"}


def wrappers_in(module: Any) -> set[type]:
    """The wrappers of environments of a module, and of those within a package, that are its own."""
    names = [name for _, name, _ in pkgutil.iter_modules(getattr(module, "__path__", []), f"{module.__name__}.")]
    modules = [module]
    for name in names:
        with suppress(ImportError):  # of what else a module needs
            modules.append(import_module(name))
    found = {
        kind
        for each in modules
        for _, kind in inspect.getmembers(each, inspect.isclass)
        if issubclass(kind, gym.Wrapper) and kind.__module__.partition(".")[0] == module.__name__.partition(".")[0]
    }
    bases = (gym.Wrapper, gym.ActionWrapper, gym.ObservationWrapper, gym.RewardWrapper)
    return {kind for kind in found if kind not in bases}


WRAPPERS = sorted(
    {kind for module in (wrappers, common, contrib) for kind in wrappers_in(module)}, key=lambda kind: kind.__name__
)


def digits(**options: Any) -> DataSelectEnv:
    return DataSelectEnv("digits", **OPTIONS | options)


def around(kind: type, env: gym.Env[Any, Any]) -> Any:
    """A wrapper of a kind, without the arguments and the spaces that it would need to do anything."""
    wrapper = kind.__new__(kind)
    gym.Wrapper.__init__(wrapper, env)
    return wrapper


def actions_of(number: int) -> NDArray[np.int64]:
    return np.random.default_rng(number).integers(2, size=P)


def test_the_wrappers_of_the_libraries_are_those_that_are_sorted_here() -> None:
    found = {kind.__name__ for kind in WRAPPERS}
    assert found <= CHECK | RECORD | CHANGE
    assert found | {"ArrayConversion", "JaxToNumpy", "JaxToTorch", "NumpyToTorch"} >= CHECK | RECORD | CHANGE


class Own(gym.Wrapper[Any, Any, Any, Any]):
    """A wrapper that nobody knows."""


class OwnRecorder(RecordEpisodeStatistics):
    """One that may do more than what it is derived from."""


class OwnMonitor(Monitor[Any, Any]):
    """Another such."""


@pytest.mark.parametrize("kind", [*WRAPPERS, Own, OwnRecorder, OwnMonitor, ScoreAction, KeepRatioChoice])
@pytest.mark.parametrize("within", [False, True], ids=["outside", "within"])
def test_every_wrapper_stays_or_is_refused(kind: type, within: bool, joint: DataSelectEnv) -> None:
    wrapped = around(kind, wrappers.OrderEnforcing(joint))
    if within:
        wrapped = wrappers.PassiveEnvChecker(wrapped)
    words = rf"^env=.*: {kind.__name__}.* would be left out here, with all that it does; give the environment without"
    policy = make_policy("random")
    if kind.__name__ in CHECK:
        assert as_base_env(wrapped) is joint
    else:
        for look in (
            as_base_env,
            lambda env: run_policy(policy, env, seed=0),
            lambda env: evaluate_runs(policy, env, [0]),
            lambda env: EvalRunsCallback(env, eval_freq=1),
        ):
            with pytest.raises(ValueError, match=words):
                look(wrapped)
    if kind.__name__ in CHECK | RECORD:
        assert SamplewiseVecEnv(wrapped).env is joint
    else:
        with pytest.raises(ValueError, match=words):
            SamplewiseVecEnv(wrapped)
        with pytest.raises(ValueError, match=words):
            SamplewiseVecEnv(DummyVecEnv([lambda: around(kind, joint)]))


@pytest.mark.parametrize("kind", [*WRAPPERS, Own, OwnRecorder, OwnMonitor, ScoreAction, KeepRatioChoice])
def test_a_model_serves_without_every_wrapper_or_is_refused(kind: type, joint: DataSelectEnv, model: PPO) -> None:
    model.env = DummyVecEnv([lambda: wrappers.OrderEnforcing(around(kind, Monitor(joint)))])
    if kind.__name__ in CHECK | RECORD | REWARD | DONE | {"TimeLimit", "RenderCollection"}:
        assert FrozenPolicy(model).model is model
    else:
        with pytest.raises(ValueError, match=rf"^model=.*: {kind.__name__} would be left out when the model serves"):
            FrozenPolicy(model)


@pytest.fixture(scope="module")
def joint() -> DataSelectEnv:
    return digits()


@pytest.fixture(scope="module")
def model(joint: DataSelectEnv) -> PPO:
    return PPO("MlpPolicy", SamplewiseVecEnv(joint), n_steps=4, batch_size=P, device="cpu")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_episode_steps": 5}, "TimeLimit, which max_episode_steps adds would be left out here"),
        ({"render_mode": "rgb_array_list"}, "RenderCollection, which a render_mode that ends in '_list' adds would"),
    ],
)
def test_wrapper_that_an_argument_of_make_adds_is_told_with_the_argument(options: dict[str, Any], words: str) -> None:
    for look in (as_base_env, SamplewiseVecEnv):
        with pytest.raises(ValueError, match=words):
            look("DataSelect/Digits-v0", **OPTIONS | options)


def test_all_wrappers_that_would_be_lost_are_named(joint: DataSelectEnv) -> None:
    with pytest.raises(ValueError, match=r"TimeLimit, which max_episode_steps adds and Own would be left out here"):
        SamplewiseVecEnv(TimeLimit(Monitor(Own(joint)), 5))


@pytest.mark.parametrize("action", ["keep", "score"])
def test_what_records_sees_whole_runs_and_changes_none(action: str, tmp_path: Path) -> None:
    monitor = Monitor(digits(), str(tmp_path / "run"), info_keywords=("cost",))
    statistics = RecordEpisodeStatistics(monitor, stats_key="statistics")
    slots, plain = SamplewiseVecEnv(statistics, action=action), SamplewiseVecEnv(digits(), action=action)
    for env in (slots, plain):
        env.seed(0)
    assert np.array_equal(slots.reset(), plain.reset())
    for number in range(STEPS):
        actions = actions_of(number) if action == "keep" else np.random.default_rng(number).random((P, 1))
        observation, rewards, dones, infos = slots.step(actions)
        expected, same_rewards, _, same_infos = plain.step(actions)
        assert np.array_equal(observation, expected)
        assert np.array_equal(rewards, same_rewards)
    assert dones.all()
    assert infos[-1]["episode"] | {"t": 0} == same_infos[-1]["episode"] | {"t": 0, "cost": infos[-1]["cost"]}
    returned = infos[-1]["episode"]["r"]
    slots.close()
    assert list(statistics.return_queue) == [pytest.approx(returned)]
    assert list(statistics.length_queue) == [STEPS]
    assert monitor.get_episode_rewards() == [pytest.approx(returned)]
    rows = load_results(str(tmp_path))
    assert rows["r"].tolist() == [pytest.approx(returned, abs=1e-6)]
    assert rows["cost"].tolist() == [infos[-1]["cost"]]


@pytest.mark.slow
def test_video_of_a_run_seen_by_slots_is_recorded(tmp_path: Path) -> None:
    env = RecordVideo(digits(render_mode="rgb_array"), str(tmp_path / "videos"), video_length=2)
    slots = SamplewiseVecEnv(env)
    slots.reset()
    for number in range(3):
        slots.step(actions_of(number))
    slots.close()
    assert [path.stat().st_size > 0 for path in tmp_path.glob("videos/*.mp4")] == [True]


def test_vector_environment_of_one_as_stable_baselines_makes_it_is_seen_by_slots(tmp_path: Path) -> None:
    one = make_vec_env("DataSelect/Digits-v0", 1, seed=3, monitor_dir=str(tmp_path), env_kwargs=OPTIONS)
    slots, plain = SamplewiseVecEnv(one), SamplewiseVecEnv(digits())
    plain.seed(3)
    assert np.array_equal(slots.reset(), plain.reset())
    for number in range(STEPS):
        *result, infos = slots.step(actions_of(number))
        assert all(map(np.array_equal, result, plain.step(actions_of(number))[:3]))
    slots.close()
    assert load_results(str(tmp_path))["r"].tolist() == [pytest.approx(infos[-1]["episode"]["r"], abs=1e-6)]


def test_other_vector_environments_are_refused() -> None:
    two, one = (DummyVecEnv([digits] * number) for number in (2, 1))
    words = "of vector environments a DummyVecEnv of one environment can be seen by slots, and wrappers of vector"
    for env, kind in ((two, "DummyVecEnv of 2"), (VecNormalize(one), "VecNormalize of 1")):
        with pytest.raises(TypeError, match=f"is a {kind}; {words}"):
            SamplewiseVecEnv(env)
    with pytest.raises(TypeError, match="is a SamplewiseVecEnv of 128; " + words):
        SamplewiseVecEnv(SamplewiseVecEnv(digits()))
    with pytest.raises(TypeError, match="an environment that is already made takes no options"):
        SamplewiseVecEnv(one, epochs=4)
