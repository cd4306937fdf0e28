"""Channels last and compiled updates as arguments of the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch

import data_select_gym  # noqa: F401
from data_select_gym.envs import DataSelectEnv, as_base_env

from .joint_runs import play, same, small

pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
]


@pytest.fixture(autouse=True)
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is as if it were compiled, but operators are called one by one, since a C++ compiler takes seconds."""
    torch.compiler.reset()
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda call, options: compile_(call, backend="aot_eager"))


@pytest.mark.slow
def test_they_reach_the_run() -> None:
    env = gym.make("DataSelect/Digits-v0", epochs=3, device="cpu", compile=True)
    env.reset(seed=0)
    assert env.unwrapped.run.config.compile  # type: ignore[attr-defined]
    slots: Any = gym.make_vec("DataSelect/DigitsSamplewise-v0", num_envs=64, epochs=3, device="cpu", compile=True)
    slots.reset(seed=0)
    assert slots.env.run.config.compile
    with pytest.raises(ValueError, match=r"^channels_last=True is for convolutions over images"):
        as_base_env("DataSelect/Digits-v0", epochs=3, device="cpu", channels_last=True).reset()


@pytest.mark.slow
def test_compiled_runs_are_the_same_each_time() -> None:
    assert same(play(small(compile=True)), play(small(compile=True)))


def test_both_are_off_unless_they_are_asked_for() -> None:
    env = small()
    assert (env.channels_last, env.compile) == (False, False)
    assert same(play(env), play(small(channels_last=False, compile=False)))


@pytest.mark.parametrize("name", ["channels_last", "compile"])
def test_a_checkpoint_goes_on_only_with_the_same(name: str, tmp_path: Path) -> None:
    env: DataSelectEnv = small()
    env.reset(seed=0)
    env.save(tmp_path / "state")
    message = rf"the checkpoint is of {name}=False; this environment has {name}=True$"
    with pytest.raises(ValueError, match=message):
        small(**{name: True}).load(tmp_path / "state")
