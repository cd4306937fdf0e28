"""Runs of the joint environment for its tests, and ways to choose in them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium.utils.env_checker import data_equivalence
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import TensorDataset

from data_select_gym.envs import DataSelectEnv
from data_select_gym.tasks import Classification, Recipe, Task

N, P = 1280, 128
Choice = Callable[[DataSelectEnv], NDArray[Any]]
same = partial(data_equivalence, exact=True)


def digits(**options: Any) -> DataSelectEnv:
    return DataSelectEnv("digits", **{"epochs": 3, "pool_size": P, "batch_size": 64, "device": "cpu"} | options)


def small(*, rate: float = 0.1, batch_size: int = 8, **options: Any) -> DataSelectEnv:
    """Forty samples in five pools of eight, and a model whose dropout draws from the global generator."""
    inputs = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(inputs, inputs.argmax(1))
    task = Task(
        name="small",
        train=data,
        validation=data,
        make_model=lambda: nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3)),
        objective=Classification(),
        recipe=Recipe(3, batch_size, partial(torch.optim.SGD, lr=rate)),
    )
    return DataSelectEnv(task, **{"pool_size": 8, "device": "cpu"} | options)


def halves(env: DataSelectEnv) -> NDArray[np.int8]:
    """About half of the pool, other samples in each epoch."""
    return ((env.run.pool.numpy() + env.run.epoch) % 2).astype(np.int8)


def everything(env: DataSelectEnv) -> NDArray[np.int8]:
    return np.ones(env.plan.pool_size, np.int8)


def nothing(env: DataSelectEnv) -> NDArray[np.int8]:
    return np.zeros(env.plan.pool_size, np.int8)


def play(env: DataSelectEnv, seed: int | None = 0, choose: Choice = halves) -> list[Any]:
    """All that a run returns, and the weights at its end."""
    trace: list[Any] = [env.reset(seed=seed)]
    while not env.run.done:
        trace.append(env.step(choose(env)))
    return [*trace, weights(env)]


def weights(env: DataSelectEnv) -> list[NDArray[Any]]:
    return [value.numpy().copy() for value in env.run.model.state_dict().values()]
