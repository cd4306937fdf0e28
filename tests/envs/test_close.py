"""What is gone when an environment is closed, and when it is reset: processes, threads, files and memory."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from data_select_gym.agents import make_policy, run_policy
from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv, SamplewiseVectorEnv
from data_select_gym.tasks import Classification, LoaderConfig, Recipe, Task, make_loader

from ..tiers import slow
from .joint_runs import digits, everything, play, same, small

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create", "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)
P = 8


class Rows(Dataset[Any]):
    """Samples that are read one by one; the ``broken`` one cannot be."""

    def __init__(self, broken: int = -1) -> None:
        self.broken = broken

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index == self.broken:
            raise ValueError(f"sample {index} is damaged")
        return torch.full((3,), index / 24), index % 3


def read_by_workers(train: Dataset[Any] | None = None, **options: Any) -> DataSelectEnv:
    task = Task(
        "rows",
        Rows() if train is None else train,
        partial(nn.Linear, 3, 3),
        Classification(),
        Recipe(3, 4, partial(torch.optim.SGD, lr=0.1)),
        validation=Rows(),
        test=Rows(),
        loading=LoaderConfig(workers=2),
    )
    return DataSelectEnv(task, **{"pool_size": P, "device": "cpu", "reward": "validation-gain"} | options)


def workers() -> int:
    return len(multiprocessing.active_children())


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """No process, thread or file is left that was not there before the test."""
    gc.collect()
    play(small())  # what libraries open once
    before = workers(), threading.active_count(), open_files()
    yield
    for _ in range(100):  # threads end by themselves, a little later
        gc.collect()
        if (workers(), threading.active_count(), open_files()) <= before:
            break
        time.sleep(0.02)
    assert (workers(), threading.active_count(), open_files()) == before


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("steps", [slow(0), 1, slow(3)])
def test_closing_ends_the_processes_that_read_wherever_the_run_is(steps: int, tmp_path: Path) -> None:
    env = read_by_workers(tensorboard_log=tmp_path)
    env.reset(seed=0)
    for _ in range(steps):
        env.step(everything(env))
    assert workers() == (0 if env.run.done else 2 if steps == 0 else 4)
    env.close()
    env.close()
    assert workers() == 0


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_left")
def test_a_reset_ends_the_processes_of_the_last_run() -> None:
    env = read_by_workers()
    for _ in range(3):
        env.reset()
        env.step(everything(env))
        assert workers() == 4
    env.close()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("kind", ["gymnasium", slow("stable-baselines3")])
def test_closing_the_view_of_slots_ends_them_too(kind: str) -> None:
    view: Any
    if kind == "gymnasium":
        view = SamplewiseVectorEnv(P, task=read_by_workers().task, device="cpu")
    else:
        view = SamplewiseVecEnv(read_by_workers())
    view.reset()
    view.step(np.ones(P, dtype=np.int64))
    assert workers() > 0
    view.close()
    assert workers() == 0


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_left")
def test_a_run_that_is_closed_goes_on_as_if_nothing_had_happened() -> None:
    env, undisturbed = read_by_workers(), read_by_workers()
    traces = [[each.reset(seed=0)] for each in (env, undisturbed)]
    while not env.run.done:
        for each, trace in zip((env, undisturbed), traces, strict=True):
            trace.append(each.step(everything(each)))  # type: ignore[arg-type]
        env.close()
    assert same(*traces)
    undisturbed.close()


def failing(train: Dataset[Any] | None = None, **options: Any) -> Callable[[], DataSelectEnv]:
    return partial(read_by_workers, train, **options)


def reward_fails(outcome: Any) -> Tensor:
    raise ValueError("no reward")


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (failing(Rows(broken=13)), "sample 13 is damaged"),
        (failing(reward=reward_fails), "no reward"),
    ],
)
def test_a_run_that_fails_leaves_nothing_when_it_is_closed(make: Callable[[], DataSelectEnv], message: str) -> None:
    env = make()
    # The error is held, and with it all that was going on when it was raised.
    with pytest.raises(ValueError, match=message) as held:
        run_policy(make_policy("top-loss"), env, seed=0)
    env.close()
    assert workers() == 0
    del held


@pytest.mark.usefixtures("nothing_left")
def test_a_task_that_cannot_be_made_leaves_nothing() -> None:
    # Among the first two, which are looked at when the task is made.
    with pytest.raises(ValueError, match="sample 0 is damaged") as held:
        failing(Rows(broken=0))()
    assert workers() == 0
    del held


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_left")
def test_a_policy_that_trains_on_held_out_data_leaves_nothing() -> None:
    env = read_by_workers()
    run_policy(make_policy("rho-loss"), env, seed=0)
    env.close()


@pytest.mark.usefixtures("nothing_left")
def test_a_source_that_is_closed_within_a_pass_reads_anew() -> None:
    source = make_loader(Rows(), torch.device("cpu"), LoaderConfig(workers=2))
    reading = source.batches([torch.tensor([row]) for row in range(8)])
    next(reading)
    source.close()
    assert workers() == 0
    ((_, targets),) = source.batches([torch.tensor([5, 7])])
    assert targets.tolist() == [2, 1]
    with suppress(RuntimeError):
        reading.close()  # type: ignore[attr-defined]
    source.close()


def test_a_reset_lets_go_of_the_last_run_at_once() -> None:
    env = digits(features=("loss", "embedding", "alignment"), reward="priced-alignment")
    env.reset(seed=0)
    env.step(everything(env))
    last, model = weakref.ref(env.run), weakref.ref(env.run.model)
    gc.disable()
    try:
        env.reset()
        assert last() is None and model() is None
    finally:
        gc.enable()


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_memory_is_flat_over_resets() -> None:
    def resident() -> float:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    env = digits()
    looks = []
    for number in range(60):
        env.reset(seed=number)
        env.step(everything(env))
        if number % 20 == 19:
            looks.append(resident())
    assert looks[-1] - looks[0] < 2
