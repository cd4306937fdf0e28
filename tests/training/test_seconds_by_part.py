import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from data_select_gym.phase_timer import PHASES, timed
from data_select_gym.signals import Signals
from data_select_gym.tasks import Classification
from data_select_gym.training import RunConfig, TrainingRun
from data_select_gym.training.checkpoints import read_state, write_state

from .small_runs import POOL, SAMPLES, begun, finished, first, keep_all, small_task


class SlowToRead(Dataset[Any]):
    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        time.sleep(0.001)
        return torch.rand(3), index % 3


def slow_augment(inputs: Tensor, generator: torch.Generator) -> Tensor:
    time.sleep(0.005)
    return inputs


class SlowSignals(Classification):
    @timed("signals")
    def slowly(self) -> None:
        time.sleep(0.003)

    def __call__(self, model: Any, inputs: Any, targets: Any, *, embed: bool) -> tuple[Tensor, Signals]:
        self.slowly()
        return super().__call__(model, inputs, targets, embed=embed)


def of_a_step(run: TrainingRun, weights: Tensor) -> dict[str, float]:
    before = run.seconds_by_part
    run.select(weights)
    return {name: value - before[name] for name, value in run.seconds_by_part.items()}


def test_the_parts_of_a_run_are_all_of_its_seconds() -> None:
    before = time.perf_counter()
    run = TrainingRun(small_task(), RunConfig(pool_size=POOL, device="cpu"), seed=0)
    began = time.perf_counter()
    run.warm_up()
    finished(run, keep_all)
    spent = run.seconds_by_part
    ended = time.perf_counter()
    assert list(spent) == list(PHASES)
    assert ended - began <= sum(spent.values()) + 1e-3
    assert sum(spent.values()) <= ended - before
    took_time = {name for name, value in spent.items() if value}
    assert took_time == {"load", "train", "signals", "ledger", "evaluate", "bookkeeping", "policy"}


def test_each_part_has_what_it_takes() -> None:
    task = small_task(train=SlowToRead(), augment=slow_augment)
    run = begun(replace(task, objective=SlowSignals()))
    spent = of_a_step(run, first(8))
    assert spent["load"] >= 8 * 0.001
    assert spent["train"] >= 2 * 0.005
    assert spent["signals"] >= 2 * 0.003
    assert spent["look"] == spent["update"] == spent["copy"] == 0


def test_what_goes_on_between_steps_is_the_policys() -> None:
    run = begun()
    before = run.seconds_by_part["policy"]
    time.sleep(0.02)
    run.select(first(4))
    assert run.seconds_by_part["policy"] - before >= 0.02


def test_nothing_is_counted_after_the_end() -> None:
    run = finished(begun())
    spent = run.seconds_by_part
    time.sleep(0.01)
    assert run.seconds_by_part == spent


def test_extra_forward_passes_are_told_apart() -> None:
    run = begun(record={"validation_gain"})
    assert of_a_step(run, first(4))["look"] > 0
    before = run.seconds_by_part["look"]
    run.read_pool(fresh=True)
    assert run.seconds_by_part["look"] > before


def test_a_run_that_goes_on_has_the_seconds_from_before(tmp_path: Any) -> None:
    run = begun()
    run.select(first(4))
    write_state(tmp_path / "state", run.state_dict())
    spent = run.seconds_by_part
    other = TrainingRun(small_task(), RunConfig(pool_size=POOL, device="cpu"), seed=0)
    other.load_state_dict(read_state(tmp_path / "state"))
    assert 0 < other.seconds_by_part["train"] <= spent["train"]
    finished(other, keep_all)
    assert other.seconds_by_part["train"] > spent["train"]


@pytest.mark.parametrize("steps", [1, 3])
def test_counting_changes_nothing(steps: int) -> None:
    plain, read = begun(), begun()
    for _ in range(steps):
        plain.select(first(6))
        assert read.seconds_by_part
        read.select(first(6))
    for one, other in zip(plain.model.parameters(), read.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(plain.pool, read.pool)


def test_nothing_is_counted_where_a_run_that_is_over_is_restored() -> None:
    other = TrainingRun(small_task(), RunConfig(pool_size=POOL, device="cpu"), seed=0)
    other.load_state_dict(finished(begun()).state_dict())
    spent = other.seconds_by_part
    time.sleep(0.01)
    assert other.seconds_by_part == spent
