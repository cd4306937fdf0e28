"""What is read of a dataset on disk, and when; and that a run is the same whoever reads."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import Array
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from data_select_gym.tasks import LoaderConfig, Measured, Task
from data_select_gym.training import FunctionCallback, RunCallback, RunConfig, TrainingRun
from data_select_gym.training.pools import Minibatches

from .small_runs import finished, go_on, small_task, state, tensors, through_a_file

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create", "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)
SAMPLES, POOL = 64, 16


class Watched(Dataset[Any], Measured):
    """Samples of which it is known how often each was read, in all processes together."""

    def __init__(self) -> None:
        self.samples = tensors(SAMPLES, 0)
        self.lengths = torch.arange(SAMPLES) % 7
        self.reads = Array("i", SAMPLES)

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> Any:
        with self.reads.get_lock():
            self.reads[index] += 1
        return self.samples[index]

    def read(self) -> Counter[int]:
        return Counter({index: count for index, count in enumerate(self.reads) if count})

    def comes_to(self, expected: Counter[int]) -> bool:
        """Whether that is what is read, and after it nothing more."""
        end = time.monotonic() + 10
        while self.read() != expected and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.05)
        return self.read() == expected


def watched_task(workers: int, **changes: Any) -> Task:
    return replace(small_task(train=Watched(), **changes), loading=LoaderConfig(workers=workers))


def made(task: Task, callbacks: Sequence[RunCallback] = (), **settings: Any) -> TrainingRun:
    return TrainingRun(task, RunConfig(pool_size=POOL, device="cpu", **settings), seed=1, callbacks=callbacks)


@pytest.mark.parametrize(("workers", "schedule_fraction"), [(0, 1.0), (2, 1.0), (2, 0.9)])
def test_the_next_pool_is_read_ahead_where_all_of_it_is_kept_and_in_no_other_place(
    workers: int, schedule_fraction: float
) -> None:
    dataset = Watched()
    task = replace(small_task(train=dataset, epochs=4), loading=LoaderConfig(workers=workers))
    asked: Counter[int] = Counter()
    seen = []

    def count(run: TrainingRun) -> None:
        plan, shown = run.plan, run.pool_number
        if not plan.warmup_pools < shown <= plan.anneal_start:
            asked.update(run.loader.pools[shown - 1].tolist())
        whole = shown < plan.warmup_pools or plan.anneal_start < shown < plan.total_pools
        certain = whole and shown % plan.pools_per_epoch
        ahead = Counter(run.loader.pools[shown].tolist() if certain and workers else [])
        seen.append(dataset.comes_to(asked + ahead))

    run = made(task, schedule_fraction=schedule_fraction, callbacks=[FunctionCallback(count)])
    dataset.reads[:] = [0] * SAMPLES  # a run begins by trying the model on two samples
    run.warm_up()
    assert seen == [True] * 4
    while not run.done:
        kept = torch.rand(POOL) < 0.5
        asked.update(run.pool[kept].tolist())
        run.step(kept)
    assert seen == [True] * round(16 * schedule_fraction) and dataset.read() == asked


def test_a_run_is_the_same_with_and_without_processes_that_read() -> None:
    alone, helped = (finished(started(watched_task(workers, batch_size=8))) for workers in (0, 2))
    assert state(alone) == state(helped)


def started(task: Task) -> TrainingRun:
    run = made(task)
    run.warm_up()
    return run


@pytest.mark.slow
def test_a_run_goes_on_to_the_bit_from_the_midst_of_what_is_read_ahead() -> None:
    states: list[Any] = []
    run = made(
        watched_task(2, batch_size=8), callbacks=[FunctionCallback(lambda run: states.append(through_a_file(run)))]
    )
    run.warm_up()
    whole = finished(run)
    for number in (1, 3, 4, 5, 13, 15):
        resumed = made(watched_task(2, batch_size=8))
        resumed.load_state_dict(states[number - 1])
        assert state(go_on(resumed)) == state(whole)
        resumed.close()


def test_a_run_that_is_put_back_drops_what_it_has_read_ahead() -> None:
    states: list[Any] = []

    class Stop(Exception):
        pass

    def stop(run: TrainingRun) -> None:
        states.append(through_a_file(run))
        if len(states) == 3:
            raise Stop

    run = made(watched_task(2), callbacks=[FunctionCallback(stop)])
    with pytest.raises(Stop):
        run.warm_up()
    run.load_state_dict(states[0])
    undisturbed = finished(started(watched_task(0)))
    assert state(go_on(run)) == state(undisturbed)
    assert run.state_dict()["order"].tolist() == undisturbed.state_dict()["order"].tolist()


def test_an_extra_forward_pass_over_the_pool_within_what_is_read_ahead_changes_nothing() -> None:
    def pass_forward(run: TrainingRun) -> None:
        if run.pool_number == 2:
            run.read_pool(fresh=True)

    runs = [made(watched_task(workers), callbacks=[FunctionCallback(pass_forward)]) for workers in (0, 2)]
    for run in runs:
        run.warm_up()
    assert state(runs[0]) == state(runs[1])
    runs[1].close()


LENGTHS = [None, torch.arange(40) % 5]


def minibatches(lengths: Tensor | None) -> Minibatches:
    return Minibatches(4, lengths, seed=5)


def drawn(parts: tuple[Tensor, ...]) -> list[list[int]]:
    return [part.tolist() for part in parts]


@pytest.mark.parametrize("lengths", LENGTHS)
def test_minibatches_cut_ahead_are_those_that_would_have_been_cut(lengths: Tensor | None) -> None:
    pools, whole, part = torch.randperm(40).split(10), torch.arange(10), torch.tensor([1, 4, 5, 9])
    plain, ahead = minibatches(lengths), minibatches(lengths)
    expected = [drawn(plain.of(pool, kept)) for pool, kept in zip(pools, (whole, whole, part, whole), strict=True)]
    assert drawn(ahead.of(pools[0], whole)) == expected[0]
    assert drawn(ahead.ahead(pools[1])) == drawn(ahead.ahead(pools[1])) == expected[1]
    assert drawn(ahead.of(pools[1], whole)) == expected[1]
    ahead.ahead(pools[2])  # of which not all is kept after all
    assert drawn(ahead.of(pools[2], part)) == expected[2]
    ahead.ahead(pools[0])  # which does not come next
    assert drawn(ahead.of(pools[3], whole)) == expected[3]
    assert ahead.state_dict().tolist() == plain.state_dict().tolist()


def test_the_state_of_minibatches_is_that_before_what_was_cut_ahead() -> None:
    pool, whole = torch.arange(10), torch.arange(10)
    first = minibatches(None)
    before = first.state_dict().tolist()
    first.ahead(pool)
    assert first.state_dict().tolist() == before
    second = minibatches(None)
    second.of(pool, whole)
    second.ahead(pool)
    second.load_state_dict(first.state_dict())
    assert drawn(second.of(pool, whole)) == drawn(first.of(pool, whole))
    assert second.state_dict().tolist() == first.state_dict().tolist() != before


class Drawn(Watched):
    """Samples to which is added what is drawn where they are read."""

    def __getitem__(self, index: int) -> Any:
        inputs, label = super().__getitem__(index)
        return inputs.double() + torch.rand(3, dtype=torch.float64), label


@pytest.mark.slow
def test_what_worker_processes_draw_is_of_the_runs_seed_and_other_in_training_than_in_evaluation() -> None:
    def drawn(seed: int) -> tuple[list[float], list[float]]:
        seen: dict[bool, list[float]] = {True: [], False: []}

        class Seeing(nn.Linear):
            def forward(self, inputs: Tensor) -> Tensor:
                seen[self.training].extend((inputs % 1).flatten().tolist())
                return super().forward(inputs)

        loading = LoaderConfig(workers=2)
        task = replace(
            small_task(train=Drawn(), make_model=lambda: Seeing(3, 3, dtype=torch.float64)),
            validation=Drawn(),
            loading=loading,
        )
        run = TrainingRun(
            replace(task, test=Drawn()), RunConfig(pool_size=POOL, device="cpu", record={"validation_gain"}), seed=seed
        )
        run.go_on_warming_up()
        finished(run)
        return seen[True], seen[False]

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert first == again
    for one, two in zip(first, other, strict=True):
        assert one and set(one).isdisjoint(two)
    assert set(first[0]).isdisjoint(first[1])
