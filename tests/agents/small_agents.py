"""Agents that learn over a few small runs, and a task of small images."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn
from torch.utils.data import TensorDataset

from data_select_gym.agents import pretrain
from data_select_gym.envs import DataSelectEnv, as_base_env
from data_select_gym.tasks import Classification, Recipe, Task

P, STEPS = 16, 8  # a run of four epochs of 64 images selects in the second and third of them


def images(count: int, seed: int) -> TensorDataset:
    pixels = torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(pixels, pixels.mean(dim=(2, 3)).argmax(dim=1))


def small_model() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(108, 6), nn.ReLU(), nn.Linear(6, 3))


def image_task(epochs: int = 4) -> Task:
    return Task(
        name="images",
        train=images(64, 0),
        validation=images(12, 1),
        test=images(12, 2),
        make_model=small_model,
        objective=Classification(),
        recipe=Recipe(epochs=epochs, batch_size=8, optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1)),
    )


def image_env(**options: Any) -> DataSelectEnv:
    return as_base_env("DataSelect/Custom-v0", task=image_task(), **({"pool_size": P} | options))


def learned(agent: str = "ppo", *, runs: int = 2, seed: int = 0, **options: Any) -> BaseAlgorithm:
    given = {"task": image_task(), "pool_size": P} | options
    return pretrain(agent, "DataSelect/Custom-v0", runs=runs, seed=seed, **given)


def weights(model: BaseAlgorithm) -> NDArray[np.float32]:
    return torch.cat([weight.detach().flatten() for weight in model.policy.parameters()]).numpy()


def global_draws() -> tuple[Any, ...]:
    """What the global generators would give next."""
    state = np.random.get_state()
    return torch.get_rng_state().tolist(), state[1].tolist(), state[2:]  # type: ignore[index, union-attr]
