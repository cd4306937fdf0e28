import copy
import multiprocessing
import os
import random
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import mtrand
from torch import Tensor, nn

from data_select_gym.randomness import RNGScope
from data_select_gym.tasks import Task
from data_select_gym.training import TrainingRun

from .small_runs import (
    begun,
    finished,
    keep_all,
    keep_hard,
    keep_none,
    noisy_task,
    small_task,
    state,
    weights_of,
    with_dropout,
)


@pytest.mark.parametrize("make", [small_task, noisy_task])
def test_the_same_seed_is_the_same_run_to_the_bit(make: Callable[[], Task]) -> None:
    assert state(finished(begun(make(), seed=3))) == state(finished(begun(make(), seed=3)))


@pytest.mark.parametrize("make", [small_task, noisy_task])
def test_another_seed_is_another_run(make: Callable[[], Task]) -> None:
    one, other = begun(make(), seed=3), begun(make(), seed=4)
    assert one.pool.tolist() != other.pool.tolist()
    assert weights_of(finished(one)) != weights_of(finished(other))


def test_another_seed_has_other_initial_weights() -> None:
    one, again, other = (weights_of(begun(seed=seed, warmup_epochs=0)) for seed in (3, 3, 4))
    assert one == again != other


def global_states() -> tuple[Any, ...]:
    return random.getstate(), str(np.random.get_state(legacy=False)), torch.get_rng_state().tolist()


def test_a_run_leaves_the_global_generators_alone() -> None:
    before = global_states()
    run = begun(noisy_task())
    run.read_pool(fresh=True)
    finished(run)
    assert global_states() == before


def test_an_error_in_a_run_leaves_the_global_generators_alone() -> None:
    class Broken(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            if self.training:
                random.random(), np.random.rand(), torch.rand(1)
                raise ArithmeticError
            return super().forward(inputs)

    before = global_states()
    with pytest.raises(ArithmeticError):
        begun(small_task(make_model=lambda: Broken(3, 3)))
    assert global_states() == before


def test_what_others_draw_does_not_change_a_run() -> None:
    def disturb(run: TrainingRun) -> Tensor:
        random.random(), np.random.rand(), torch.rand(1)
        torch.manual_seed(run.pool_number)
        return keep_hard(run)

    expected = state(finished(begun(noisy_task())))
    random.random(), np.random.rand(), torch.rand(1)
    assert state(finished(begun(noisy_task()), disturb)) == expected


def test_no_draw_comes_twice_in_a_run() -> None:
    draws: list[float] = []

    class Drawing(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            draws.extend([random.random(), np.random.rand(), torch.rand(1).item()])
            return super().forward(inputs)

    finished(begun(small_task(make_model=lambda: Drawing(3, 3))))
    assert len(set(draws)) == len(draws) > 60


def test_runs_side_by_side_do_not_disturb_each_other() -> None:
    alone = [state(finished(begun(noisy_task(), seed=seed))) for seed in (1, 2)]
    runs = [begun(noisy_task(), seed=seed) for seed in (1, 2)]
    while not runs[0].done:
        for run in runs:
            run.step(keep_hard(run))
    assert [state(run) for run in runs] == alone


def test_streams_side_by_side_lose_no_normal_number() -> None:
    own = RNGScope(3, torch.device("cpu"))
    before = np.random.get_state(legacy=False)
    try:
        np.random.seed(4)
        inside, outside = [], []
        for _ in range(5):  # NumPy draws two together, and keeps one
            outside.append(np.random.randn())
            with own:
                inside.append(np.random.randn())
        assert inside == np.random.RandomState(3).randn(5).tolist()
        assert outside == np.random.RandomState(4).randn(5).tolist()
    finally:
        np.random.set_state(before)


@pytest.mark.parametrize("draws", [0, 1, 2])
def test_a_stream_goes_on_from_a_state_taken_within_it_or_outside_it(draws: int) -> None:
    own, within, outside = (RNGScope(seed, torch.device("cpu")) for seed in (3, 4, 5))
    with own:
        np.random.randn(draws)
        taken = own.state_dict()
    outside.load_state_dict(own.state_dict())
    with within:
        within.load_state_dict(taken)
        expected = [np.random.randn(3).tolist()]
    for other in (own, outside):
        with other:
            expected.append(np.random.randn(3).tolist())
    assert expected[0] == expected[1] == expected[2]


def test_in_a_block_within_its_own_all_streams_begin_again_where_they_were() -> None:
    def drawn() -> list[float]:
        return [random.random(), np.random.rand(), torch.rand(1).item()]

    own = RNGScope(3, torch.device("cpu"))
    with own:
        first = drawn()
        with own:
            assert drawn() == first
            second = drawn()
        assert drawn() == second


def test_a_bit_generator_of_another_kind_outside_comes_back() -> None:
    before = mtrand.get_bit_generator()
    try:
        mtrand.set_bit_generator(np.random.PCG64(7))
        drawn = [np.random.rand()]
        run = begun(noisy_task())
        drawn.append(np.random.rand())
        finished(run)
        drawn.append(np.random.rand())
        assert drawn == np.random.RandomState(np.random.PCG64(7)).rand(3).tolist()
    finally:
        mtrand.set_bit_generator(before)


def test_pools_do_not_depend_on_what_is_kept() -> None:
    shown = []
    for choose in (keep_all, keep_none, keep_hard):
        run = begun()
        shown.append([run.step(choose(run)).indices.tolist() for _ in range(4)])
        assert run.done
    assert shown[0] == shown[1] == shown[2]


def in_threads(*works: Callable[[], None]) -> None:
    """Do all at the same time, and change between them as often as can be."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors


def test_runs_in_threads_do_not_disturb_each_other() -> None:
    before = global_states()
    alone = {seed: state(finished(begun(noisy_task(), seed=seed))) for seed in range(4)}
    found: dict[int, Any] = {}

    def train(seed: int) -> None:
        found[seed] = state(finished(begun(noisy_task(), seed=seed)))

    in_threads(*(partial(train, seed) for seed in alone))
    assert found == alone
    assert global_states() == before


def test_one_thread_at_a_time_is_within_a_block_also_after_an_error() -> None:
    own = RNGScope(3, torch.device("cpu"))
    with pytest.raises(ZeroDivisionError), own, own:
        raise ZeroDivisionError
    entered, leave, order = threading.Event(), threading.Event(), list[str]()

    def stay() -> None:
        with RNGScope(4, torch.device("cpu")):
            entered.set()
            leave.wait(10)
            order.append("left")

    thread = threading.Thread(target=stay)
    thread.start()
    assert entered.wait(10)
    threading.Timer(0.05, leave.set).start()
    with own:
        order.append("entered")
    thread.join()
    assert order == ["left", "entered"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_forked_process_waits_for_no_thread_that_is_not_in_it(elsewhere: bool) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with RNGScope(4, torch.device("cpu")):
            entered.set()
            leave.wait(10)

    def draw() -> None:
        own = RNGScope(3, torch.device("cpu"))
        with own, own:
            os._exit(7)

    process = multiprocessing.get_context("fork").Process(target=draw)
    thread = threading.Thread(target=stay)
    if elsewhere:
        thread.start()
        assert entered.wait(10)
        process.start()
    else:
        with RNGScope(4, torch.device("cpu")):
            process.start()
    process.join(10)
    ended = process.exitcode
    process.kill()
    leave.set()
    if elsewhere:
        thread.join()
    assert ended == 7


def test_a_run_that_is_copied_within_a_block_is_a_run_of_its_own() -> None:
    copies: list[TrainingRun] = []
    run = begun(small_task(make_model=with_dropout))
    with RNGScope(3, torch.device("cpu")):
        copies.extend([copy.deepcopy(run), copy.deepcopy(run)])
    assert state(finished(copies[0])) == state(finished(run)) == state(finished(copies[1]))
