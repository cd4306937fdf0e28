"""A run goes on from its state to the bit."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, Subset

from data_select_gym.tasks.images.augment import FlipCrop
from data_select_gym.training import FunctionCallback, RunCallback, RunConfig, StateError, TrainingRun

from .small_runs import (
    SAMPLES,
    begun,
    finished,
    go_on,
    keep_hard,
    small_task,
    state,
    tensors,
    through_a_file,
    with_dropout,
)


class Noisy(Dataset[Any]):
    """Draws from all global generators for each sample."""

    def __init__(self) -> None:
        self.samples = tensors(SAMPLES, 0)

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> Any:
        inputs, label = self.samples[index]
        return inputs + 0.01 * (random.random() + float(np.random.rand()) + torch.rand(1)), label


def make(callbacks: Sequence[RunCallback] = (), **settings: Any) -> TrainingRun:
    task = small_task(
        train=Noisy(), make_model=with_dropout, optimizer=lambda weights: torch.optim.Adam(weights, lr=0.1)
    )
    return TrainingRun(task, RunConfig(pool_size=12, device="cpu", **settings), seed=3, callbacks=callbacks)


SETTINGS = [{}, {"record": {"embedding", "alignment"}}, {"record": {"validation_gain"}, "schedule_fraction": 0.9}]


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_run_goes_on_to_the_bit_from_after_any_pool(settings: dict[str, Any]) -> None:
    states: list[Any] = []
    run = make(callbacks=[FunctionCallback(lambda run: states.append(through_a_file(run)))], **settings)
    run.warm_up()
    whole = finished(run)
    assert len(states) == run.plan.total_pools
    for number, saved in enumerate(states, start=1):
        resumed = make(**settings)
        resumed.load_state_dict(saved)
        assert resumed.pool_number == number
        go_on(resumed)
        assert state(resumed) == state(whole)
        assert resumed.evaluations == whole.evaluations and resumed.cost == whole.cost


def test_a_step_is_a_selection_and_then_the_annealing() -> None:
    whole, parts = begun(), begun()
    while not whole.done:
        record, part = whole.step(keep_hard(whole)), parts.select(keep_hard(parts))
        assert torch.equal(record.fresh.loss, part.fresh.loss)
        parts.anneal()
    assert state(whole) == state(parts)


def test_nothing_is_selected_in_the_annealing_epochs() -> None:
    run = begun()
    for _ in range(run.plan.selection_pools):
        run.select(keep_hard(run))
    with pytest.raises(RuntimeError, match=r"^select\(\) was called in the annealing epochs; call anneal\(\)$"):
        run.select(keep_hard(run))


def test_the_augmentation_goes_on_too() -> None:
    images = torch.randint(256, (26, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).float()
    dataset = torch.utils.data.TensorDataset(images, torch.arange(26) % 3)
    task = small_task(
        train=dataset,
        validation=dataset,
        make_model=lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3)),
        augment=FlipCrop(2),
        optimizer=lambda weights: torch.optim.SGD(weights, lr=1e-5),
    )
    run = TrainingRun(replace(task, test=None), RunConfig(pool_size=12, device="cpu"), seed=0)
    run.warm_up()
    saved = through_a_file(run)
    resumed = TrainingRun(replace(task, test=None), RunConfig(pool_size=12, device="cpu"), seed=0)
    resumed.load_state_dict(saved)
    assert state(finished(run)) == state(finished(resumed))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, r"^the checkpoint is of seed=4; this run has seed=3$"),
        ({"task": "other"}, r"^the checkpoint is of task='other'; this run has task='small'$"),
        ({"plan": None}, r"^the checkpoint is of plan=None; this run has plan="),
        ({"model": {}}, r"(?s)^the checkpoint does not fit this run: .*Missing key"),
        ({"ledger": {}}, r"^the checkpoint does not fit this run: the state has the tensors "),
    ],
)
def test_a_state_of_something_else_is_refused(change: dict[str, Any], message: str) -> None:
    run = make()
    with pytest.raises(ValueError, match=message):
        run.load_state_dict(make().state_dict() | change)
    incomplete = make().state_dict()
    del incomplete["order"]
    with pytest.raises(ValueError, match=r"^the checkpoint does not fit this run: 'order'$"):
        run.load_state_dict(incomplete)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"batch_size": 6}, "batch_size"),
        ({"train": tensors(SAMPLES, 9)}, "label_digest"),
        ({"train": Noisy()}, "label_digest"),
        ({"train": Subset(tensors(SAMPLES, 0), list(range(SAMPLES))[::-1])}, "label_digest"),
    ],
)
def test_a_state_of_other_labels_or_another_batch_size_is_refused(changes: dict[str, Any], name: str) -> None:
    saved, other = begun().state_dict(), begun(small_task(**changes))
    with pytest.raises(ValueError, match=rf"^the checkpoint is of {name}=.*; this run has {name}="):
        other.load_state_dict(saved)


def test_labels_are_compared_wherever_they_are_stored() -> None:
    data = tensors(SAMPLES, 0)
    every = Subset(Subset(data, list(range(SAMPLES))), list(range(SAMPLES)))
    plain, looked_through = small_task(train=data), small_task(train=every)
    assert plain.label_digest == looked_through.label_digest is not None
    assert small_task(train=Noisy()).label_digest is None
    targets = data.tensors[1].clone()
    targets[3] = (targets[3] + 1) % 3
    changed = small_task(train=torch.utils.data.TensorDataset(data.tensors[0], targets))
    assert changed.label_digest != plain.label_digest


def test_runs_go_on_from_one_state_more_than_once() -> None:
    saved = copy.deepcopy(begun(small_task(optimizer=partial(torch.optim.Adam, lr=0.1))).state_dict())
    ends = []
    for _ in range(2):
        run = begun(small_task(optimizer=partial(torch.optim.Adam, lr=0.1)))
        run.load_state_dict(saved)
        ends.append(state(finished(run)))
    assert ends[0] == ends[1]


def as_of_version_0_1(saved: dict[str, Any]) -> dict[str, Any]:
    """The state as version 0.1 wrote it, with another name for a field of the plan."""
    plan = {"length" if name == "schedule_fraction" else name: value for name, value in saved["plan"].items()}
    assert list(plan) == [
        *("samples", "pool_size", "epochs", "warmup_epochs", "anneal_fraction", "length"),
        *("fresh", "alignment", "validation_gain", "probed"),
    ]
    saved = saved | {"plan": plan}
    assert saved.keys() == {
        *("task", "seed", "plan", "batch_size", "label_digest", "pool_number", "trained", "forwarded", "tokens"),
        *("skipped", "evaluations", "model", "optimizer", "augmentation", "ledger", "pools", "order", "probe"),
        *("randomness", "seconds"),
    }
    return saved


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_state_of_version_0_1_still_loads(settings: dict[str, Any]) -> None:
    run = make(**settings)
    run.warm_up()
    run.step(keep_hard(run))
    saved, resumed = as_of_version_0_1(through_a_file(run)), make(**settings)
    resumed.load_state_dict(saved)
    assert state(go_on(resumed)) == state(finished(run))
    assert "length" in saved["plan"]


def test_a_state_of_version_0_1_of_another_plan_is_refused() -> None:
    saved = as_of_version_0_1(make(schedule_fraction=0.9).state_dict())
    with pytest.raises(StateError, match=r"^the checkpoint is of plan=.*'schedule_fraction': 0\.9.*; this run has "):
        make().load_state_dict(saved)
