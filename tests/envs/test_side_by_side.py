"""Many environments side by side, in one process and in several: each does what it does alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv
from numpy.typing import NDArray

from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, SamplewiseVectorEnv, as_base_env
from data_select_gym.training import FunctionCallback

from .joint_runs import digits, halves, play, same, small, weights

DIGITS: dict[str, Any] = {"epochs": 3, "pool_size": 256, "batch_size": 64, "device": "cpu"}
FEATURES = ("loss", "embedding", "alignment")


def mask(number: int) -> NDArray[np.int8]:
    return ((np.arange(256) + number) % 2).astype(np.int8)


def test_environments_that_take_turns_do_what_each_does_alone() -> None:
    makes = [
        partial(small),
        partial(small, reward="priced-alignment", observe="fresh"),
        partial(small, reward="validation-gain", keep_ratio=0.25),
        partial(small, features=FEATURES),
        partial(digits),
        partial(digits, reward="priced-alignment", features=FEATURES),
    ]
    alone = [play(make(), seed) for seed, make in enumerate(makes)]
    together = [make() for make in makes]
    traces: list[list[Any]] = [[env.reset(seed=seed)] for seed, env in enumerate(together)]
    while going := [number for number, env in enumerate(together) if not env.run.done]:
        for number in reversed(going):
            traces[number].append(together[number].step(halves(together[number])))
    for env, trace, expected in zip(together, traces, alone, strict=True):
        assert same([*trace, weights(env)], expected)


def test_a_run_within_the_run_of_another_disturbs_neither() -> None:
    alone = play(small()), play(small(), 7)
    outer, inner = small(), []
    trace: list[Any] = [outer.reset(seed=0)]
    outer.callbacks.append(
        FunctionCallback(lambda run: inner.append(play(small(), 7)) if run.pool_number == 7 else None)
    )
    while not outer.run.done:
        trace.append(outer.step(halves(outer)))
    assert same([*trace, weights(outer)], alone[0])
    assert len(inner) == 1 and same(inner[0], alone[1])


def test_views_of_slots_that_take_turns_do_what_each_does_alone() -> None:
    def step(view: SamplewiseVecEnv | SamplewiseVectorEnv, number: int) -> Any:
        return view.step(mask(number))

    def make() -> list[Any]:
        views = [SamplewiseVecEnv(as_base_env("DataSelect/Digits-v0", **DIGITS)) for _ in range(2)]
        return [*views, SamplewiseVectorEnv(256, task="digits", epochs=3, batch_size=64, device="cpu")]

    def begin(view: Any, seed: int) -> Any:
        if isinstance(view, SamplewiseVectorEnv):
            return view.reset(seed=seed)
        view.seed(seed)
        return view.reset()

    alone = []
    for seed, view in enumerate(make()):
        alone.append([begin(view, seed), *(step(view, number) for number in range(8))])
    views = make()
    traces = [[begin(view, seed)] for seed, view in enumerate(views)]
    for number in range(8):
        for view, trace in zip(views, traces, strict=True):
            trace.append(step(view, number))
    for trace, expected in zip(traces, alone, strict=True):
        assert same(without_clock(trace), without_clock(expected))


def without_clock(data: Any) -> Any:
    """The same without the seconds of a run, which Stable-Baselines3's loggers ask for."""
    if isinstance(data, dict):
        return {key: without_clock(value) for key, value in data.items() if key != "t"}
    return type(data)(map(without_clock, data)) if isinstance(data, list | tuple) else data


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_eight_processes_give_what_each_environment_gives_alone() -> None:
    make = partial(as_base_env, "DataSelect/Digits-v0", **DIGITS)
    count, steps = 8, 7  # five steps to the end of a run, then the next one
    envs = AsyncVectorEnv([make] * count)
    try:
        observation, _ = envs.reset(seed=list(range(count)))
        together = [(observation, np.zeros(count), np.zeros(count, bool), np.zeros(count))]
        for number in range(steps):
            observation, reward, terminated, _, infos = envs.step(np.stack([mask(number)] * count))
            together.append((observation, reward, terminated, infos["cost"]))
    finally:
        envs.close()
    for place in range(count):
        expected = alone(make(), place, steps)
        assert same([tuple(part[place] for part in parts) for parts in together], expected)


def alone(env: DataSelectEnv, seed: int, steps: int) -> list[Any]:
    """What a sub-environment gives, whose next run begins at the step after the end of the last."""
    observation, info = env.reset(seed=seed)
    trace: list[Any] = [(observation, np.float64(0), np.False_, np.float64(0))]
    terminated = False
    for number in range(steps):
        if terminated:
            (observation, info), reward, terminated = env.reset(), 0.0, False
        else:
            observation, reward, terminated, _, info = env.step(mask(number))
        trace.append((observation, np.float64(reward), np.bool_(terminated), np.float64(info["cost"])))
    return trace
