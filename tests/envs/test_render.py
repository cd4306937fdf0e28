import random
import re
import sys
import warnings
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib
import numpy as np
import pytest
import torch
from gymnasium.error import DependencyNotInstalled, ResetNeeded
from gymnasium.utils.env_checker import check_env

import data_select_gym  # noqa: F401

from ..tiers import slow
from .rendered_runs import NAME, SHAPE, digits, images, mask, moments, table


def global_states() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()
    return random.getstate(), name, tuple(keys), tuple(rest), tuple(torch.get_rng_state().tolist())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("make", [partial(digits, "rgb_array"), table, images])
@pytest.mark.parametrize("kept", [slow(0), 10, slow(None)])
def test_picture_is_of_one_size_and_changes_as_the_run_goes_on(make: Any, kept: int | None) -> None:
    env = make()
    pictures = []
    for _ in moments(env, env.plan.pool_size if kept is None else kept):
        picture = env.render()
        assert picture.shape == SHAPE
        assert picture.dtype == np.uint8
        assert picture.flags.owndata and picture.flags.writeable and picture.flags.c_contiguous
        pictures.append(picture)
    assert not any(np.array_equal(one, other) for one, other in pairwise(pictures))


def test_each_call_gives_a_new_array_of_the_same_picture() -> None:
    env = images()
    for _ in moments(env, 10):
        first = env.render()
        copy = first.copy()
        first[:] = 0
        assert np.array_equal(env.render(), copy)


def test_line_says_what_is_known_so_far() -> None:
    env = digits("ansi")
    lines = {moment: env.render() for moment in moments(env, 32)}
    number = r"\d\.\d{3}"
    known = rf"kept 0\.25 of 128, cost 0\.\d\d, train loss {number}, val accuracy {number}, mean reward -?{number}"
    assert re.fullmatch(rf"Digits: epoch 1/3, cost 0\.33, val accuracy {number}", lines["reset"])
    assert re.fullmatch(rf"Digits: epoch 1/3, {known}", lines["middle"])
    assert re.fullmatch(rf"Digits: epoch 3/3, {known}", lines["end"])
    assert env.record is not None
    accuracy, reward = env.run.evaluations[-1].validation["accuracy"], env.episode_return / env.plan.selection_pools
    assert f"cost {env.run.cost:.2f}, train loss {env.record.train_loss.item():.3f}" in lines["end"]
    assert lines["end"].endswith(f"val accuracy {accuracy:.3f}, mean reward {reward:.3f}")


def test_line_leaves_the_loss_out_where_nothing_was_trained_and_the_quality_where_nothing_was_evaluated() -> None:
    env = table(mode="ansi", warmup_epochs=0)
    env.reset(seed=0)
    assert env.render() == f"{NAME}: epoch 0/4, cost 0.00"
    env.step(mask(env, 0))
    assert env.render() == f"{NAME}: epoch 0/4, kept 0.00 of 32, cost 0.00, mean reward 0.000"


def test_shortened_run_ends_at_its_own_number_of_epochs() -> None:
    env = digits("ansi", schedule_fraction=0.75)
    for _ in moments(env, 10):
        pass
    assert env.run.done
    assert env.render().startswith("Digits: epoch 2/2.2, ")


def play(make: Any, modes: list[str]) -> list[Any]:
    """Everything of a run that could be disturbed; the global generators are compared here."""
    env = make(mode=None)
    trace = [env.reset(seed=0)[0]]
    while not env.run.done:
        for env.render_mode in modes:
            before = global_states()
            env.render()
            assert global_states() == before
        observation, reward, *_ = env.step(mask(env, 10))
        trace += [observation, reward, env.run.cost]
    return trace + [value.numpy() for value in env.run.model.state_dict().values()]


@pytest.mark.parametrize("make", [slow(table), images])
def test_rendering_disturbs_neither_the_run_nor_the_global_generators(make: Any) -> None:
    with_pictures, without = play(make, ["rgb_array", "ansi"]), play(make, [])
    assert all(np.array_equal(one, other) for one, other in zip(with_pictures, without, strict=True))


def test_drawing_needs_no_pyplot_and_leaves_the_settings_of_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    before = matplotlib.rcParams.copy()
    env = table()
    env.reset(seed=0)
    assert env.render().shape == SHAPE
    assert matplotlib.rcParams.copy() == before


def test_missing_matplotlib_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    env = table()
    env.reset(seed=0)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DependencyNotInstalled, match="pip install matplotlib"):
        env.render()


@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_rendering_before_reset_is_an_error(mode: str) -> None:
    with pytest.raises(ResetNeeded, match="reset"):
        table(mode=mode).render()


@pytest.mark.slow
def test_video_of_a_run_is_recorded(tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    folder = tmp_path / "videos"
    made = gym.make("DataSelect/Digits-v0", epochs=3, pool_size=256, render_mode="rgb_array")
    env = gym.wrappers.RecordVideo(made, str(folder), episode_trigger=lambda number: number == 0, disable_logger=True)
    env.reset(seed=0)
    done = False
    while not done:
        *_, done, _, _ = env.step(np.ones(256, dtype=np.int8))
    env.close()  # type: ignore[no-untyped-call]
    (video,) = folder.glob("*.mp4")
    assert video.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_environment_checker_is_content(mode: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make("DataSelect/Digits-v0", epochs=3, pool_size=128, batch_size=64, render_mode=mode).unwrapped)
