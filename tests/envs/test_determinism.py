import random
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from data_select_gym.envs import DataSelectEnv

from .joint_runs import digits, halves, nothing, play, same, small, weights


def global_states() -> list[Any]:
    numpy_state = np.random.get_state()
    return [random.getstate(), *numpy_state, torch.get_rng_state().numpy()]


def arrays(data: Any) -> list[NDArray[Any]]:
    if isinstance(data, np.ndarray):
        return [data]
    parts = data.values() if isinstance(data, dict) else data if isinstance(data, list | tuple) else ()
    return [array for part in parts for array in arrays(part)]


@pytest.mark.parametrize("make", [digits, small])
def test_same_seed_gives_the_same_run_to_the_bit_and_another_seed_another(make: Any) -> None:
    first, again, other = play(make()), play(make()), play(make(), seed=1)
    assert same(first, again)
    for one, two in zip(first, other, strict=True):
        assert not same(one, two)


def test_run_depends_on_no_global_generator() -> None:
    traces = []
    for seed in (0, 1):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        traces.append(play(small()))
    assert same(*traces)


@pytest.mark.parametrize("make", [digits, small])
@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_global_generators_are_left_alone(make: Any, mode: str) -> None:
    before = global_states()
    env = make(render_mode=mode, features=("loss", "embedding"))
    assert same(global_states(), before)
    env.reset(seed=0)
    assert same(global_states(), before)
    env.step(halves(env))
    assert same(global_states(), before)
    env.render()
    env.step_scores(halves(env))
    env.reset()
    env.close()
    assert same(global_states(), before)


def test_reset_without_seed_goes_on_with_the_stream_whatever_was_done_in_between() -> None:
    env, hurried = small(), small()
    traces = [play(env, seed) for seed in (5, None, None)]
    hurried.reset(seed=5)
    hurried.reset()
    hurried.step(nothing(hurried))
    assert same(play(hurried, None), traces[2])
    assert not same(traces[0], traces[1])
    assert not same(traces[1], traces[2])
    assert same(play(env, 5), traces[0])


def test_environments_that_were_never_seeded_differ() -> None:
    assert not same(play(small(), None), play(small(), None))


def test_what_was_returned_or_given_belongs_to_the_caller() -> None:
    def spoil(data: Any) -> None:
        for array in arrays(data):
            array[...] = 0

    expected = play(digits())
    env = digits()
    kept, copies = [env.reset(seed=0)], []
    copies.append(deepcopy(kept[0]))
    while not env.run.done:
        mask = halves(env)
        kept.append(env.step(mask))
        copies.append(deepcopy(kept[-1]))
        spoil(mask)
    assert same(kept, copies)
    assert same([*copies, weights(env)], expected)
    env, seen = digits(), []
    result: Any = env.reset(seed=0)
    while not env.run.done:
        seen.append(deepcopy(result))
        spoil(result)
        result = env.step(halves(env))
    assert same([*seen, result, weights(env)], expected)
    owned = arrays(kept)
    assert all(array.flags.owndata and array.flags.writeable for array in owned)
    assert not any(np.shares_memory(one, other) for at, one in enumerate(owned) for other in owned[:at])


def test_new_run_starts_with_nothing_of_the_last_one() -> None:
    env = digits(reward="difficulty")
    play(env)
    seconds = env.seconds
    assert env.episode_return > 0
    assert len(env.keep_fractions) == 10
    env.reset()
    assert [env.record, env.keep_fractions, env.episode_return, env.price.value] == [None, [], 0, 0.5]
    assert env.seconds > seconds > 0


def test_environment_can_be_closed_twice_and_used_again() -> None:
    env = digits()
    env.close()
    first = play(env)
    env.close()
    env.close()
    assert same(play(env), first)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_an_agent_may_reset_and_step_from_within_no_grad_and_inference_mode(context: Any) -> None:
    for settings in ({}, {"reward": "alignment", "observe": "fresh", "features": ("embedding",)}):
        expected = play(small(**settings))
        with context():
            assert same(play(small(**settings)), expected)
            env = small(**settings)
            trace: list[Any] = [env.reset(seed=0)]
            trace.append(env.step(halves(env)))
        while not env.run.done:
            trace.append(env.step(halves(env)))
        assert same([*trace, weights(env)], expected)


@pytest.mark.parametrize("rate", [0.1, 0.0])
def test_a_state_is_a_copy_that_can_be_gone_on_from_again_and_again(rate: float) -> None:
    def make() -> DataSelectEnv:
        env = small(**({"rate": rate} if rate else {}))
        if not rate:  # an optimizer with more to remember
            recipe = replace(env.task.recipe, optimizer=partial(torch.optim.Adam, lr=0.1))
            env = DataSelectEnv(replace(env.task, recipe=recipe), pool_size=8, device="cpu")
        return env

    env = make()
    env.reset(seed=0)
    for _ in range(2):
        env.step(halves(env))
    kept = env.state_dict()
    copied = deepcopy(kept)

    def go_on(env: DataSelectEnv) -> list[Any]:
        trace: list[Any] = []
        while not env.run.done:
            trace.append(env.step(halves(env)))
        return [*trace, weights(env), list(env.keep_fractions), env.kept_by_loss]

    expected = go_on(env)
    for other in (env, make(), make()):
        other.load_state_dict(kept)
        other.reset()
        assert same(go_on(other), expected)
    assert repr(kept) == repr(copied)
