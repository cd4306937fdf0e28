"""Environments to be rendered, with inputs that are images and with inputs that are not."""

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from data_select_gym.envs import DataSelectEnv
from data_select_gym.tasks import Classification, Recipe, Task

SHAPE = (540, 960, 3)
P = 32
# As a formula it could not be drawn.
NAME = r"A $\frac$ toy"


class NoisyImages(Dataset[Any]):
    """Images in which every read changes a pixel by the global generators; it notes what is read."""

    def __init__(self, shape: tuple[int, ...] = (3, 6, 9)) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(160, *shape, generator=generator)
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.read.append(index)
        image = self.images[index].clone()
        image.flatten()[0] = torch.rand(()) + random.random() + np.random.rand()
        return image, index % 4


def make_env(
    train: Dataset[Any], features: int, *, rate: float = 0.1, mode: str | None = "rgb_array", **options: Any
) -> DataSelectEnv:
    task = Task(
        name=NAME,
        train=train,
        validation=train,
        make_model=lambda: nn.Sequential(nn.Flatten(), nn.Linear(features, 4)),
        objective=Classification(),
        recipe=Recipe(4, 8, partial(torch.optim.SGD, lr=rate)),
    )
    return DataSelectEnv(task, render_mode=mode, pool_size=P, device="cpu", **options)


def table(**options: Any) -> DataSelectEnv:
    inputs = torch.randn(160, 5, generator=torch.Generator().manual_seed(0))
    return make_env(TensorDataset(inputs, inputs.argmax(1).clamp_max(3)), 5, **options)


def images(**options: Any) -> DataSelectEnv:
    return make_env(NoisyImages(), 162, **options)


def digits(mode: str, **options: Any) -> DataSelectEnv:
    sizes = {"epochs": 3, "pool_size": 128, "batch_size": 64}
    return DataSelectEnv("digits", render_mode=mode, device="cpu", **sizes, **options)


def mask(env: DataSelectEnv, kept: int) -> NDArray[np.int8]:
    return (np.arange(env.plan.pool_size) < kept).astype(np.int8)


def moments(env: DataSelectEnv, kept: int) -> Iterator[str]:
    """Walk through a run: at its reset, after half of its steps, at its end."""
    env.reset(seed=0)
    yield "reset"
    for number in range(env.plan.selection_pools):
        env.step(mask(env, kept))
        if number == env.plan.selection_pools // 2:
            yield "middle"
    yield "end"
