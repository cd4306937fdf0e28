"""Small runs for the tests of training, and ways to choose in them."""

import io
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from data_select_gym.tasks import Classification, Measured, Recipe, Task
from data_select_gym.training import RunCallback, RunConfig, TrainingRun

SAMPLES, POOL, BATCH = 26, 12, 4  # two pools an epoch, and two samples left over
Choice = Callable[[TrainingRun], Tensor]


def tensors(count: int, seed: int) -> TensorDataset:
    inputs = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(inputs, inputs.argmax(dim=1))


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 3))


def with_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3))


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.5)


def small_task(
    *,
    train: Dataset[Any] | None = None,
    validation: Dataset[Any] | None = None,
    make_model: Any = perceptron,
    **changes: Any,
) -> Task:
    recipe: dict[str, Any] = {"epochs": 4, "batch_size": BATCH, "optimizer": sgd} | changes
    return Task(
        name="small",
        train=tensors(SAMPLES, 0) if train is None else train,
        validation=tensors(6, 1) if validation is None else validation,
        test=tensors(7, 2),
        make_model=make_model,
        objective=Classification(),
        recipe=Recipe(**recipe),
    )


class Lengthy(Dataset[Any], Measured):
    """Samples of 1, 2, 3, ... tokens."""

    def __init__(self, data: TensorDataset) -> None:
        self.data = data
        self.lengths = torch.arange(1, len(data) + 1)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        return self.data[index]


def lengthy_task(**changes: Any) -> Task:
    return small_task(train=Lengthy(tensors(SAMPLES, 0)), validation=Lengthy(tensors(6, 1)), **changes)


def begun(
    task: Task | None = None, *, seed: int = 0, callbacks: Sequence[RunCallback] = (), **settings: Any
) -> TrainingRun:
    config = RunConfig(device="cpu", **{"pool_size": POOL} | settings)
    run = TrainingRun(task or small_task(), config, seed=seed, callbacks=callbacks)
    run.warm_up()
    return run


def keep_all(run: TrainingRun) -> Tensor:
    return torch.ones(run.plan.pool_size)


def keep_none(run: TrainingRun) -> Tensor:
    return torch.zeros(run.plan.pool_size)


def keep_hard(run: TrainingRun) -> Tensor:
    loss = run.read_pool().loss
    return loss >= loss.median()


def first(count: int, pool_size: int = POOL) -> Tensor:
    return torch.arange(pool_size) < count


def finished(run: TrainingRun, choose: Choice = keep_hard) -> TrainingRun:
    while not run.done:
        run.step(choose(run))
    return run


def through_a_file(run: TrainingRun) -> Any:
    """The state of a run, written and read."""
    file = io.BytesIO()
    torch.save(run.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def go_on(run: TrainingRun) -> TrainingRun:
    """Train a run to its end from wherever it is."""
    run.go_on_warming_up()
    while not run.done:
        if run.pool_number >= run.plan.anneal_start:
            run.anneal()
        else:
            run.step(keep_hard(run))
    return run


def state(run: TrainingRun) -> dict[str, Any]:
    """Everything that a run has learnt and recorded."""
    ledger = run.ledger
    counts = {"visits": ledger.visits, "last_visit": ledger.last_visit, "previous_loss": ledger.previous_loss}
    columns = {**run.model.state_dict(), **ledger.columns, **counts}
    return {name: column.tolist() for name, column in columns.items()} | {
        "evaluations": list(run.evaluations),
        "cost": run.cost,
        "pool_number": run.pool_number,
        "pool": run.pool.tolist(),
    }


def weights_of(run: TrainingRun) -> list[Any]:
    return [value.tolist() for value in run.model.state_dict().values()]


class Counted(Dataset[Any]):
    """Counts how often each sample is opened."""

    def __init__(self) -> None:
        self.samples, self.opened = tensors(SAMPLES, 0), Counter[int]()

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> Any:
        self.opened[index] += 1
        return self.samples[index]


class Noisy(Dataset[Any]):
    """Draws from all global generators for each sample."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        noise = torch.rand(3) + torch.tensor([random.random(), np.random.rand(), 0.0])
        return noise + index / SAMPLES, index % 3


def noisy_task() -> Task:
    def augment(inputs: Tensor, generator: torch.Generator) -> Tensor:
        return inputs + torch.rand(inputs.shape, generator=generator)

    task = small_task(train=Noisy(), make_model=with_dropout, augment=augment)
    return replace(task, validation=Noisy(), test=Noisy())
