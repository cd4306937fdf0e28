"""A custom task: any map-style dataset, model and objective, as an environment and in a comparison.

From the command line:
``data-select-gym compare --env DataSelect/Custom-v0 --env-option task=examples.custom_task:moons``.
"""

import argparse

import gymnasium as gym
import torch
from torch import nn
from torch.utils.data import TensorDataset

import data_select_gym  # noqa: F401, registers the environments
from data_select_gym.agents import make_policy, run_policy
from data_select_gym.tasks import Classification, Recipe, Task


def moons(epochs: int = 20) -> Task:
    """Two interleaved half-circles of 1,200 noisy points."""
    generator = torch.Generator().manual_seed(0)
    angle = torch.rand(1200, generator=generator) * torch.pi
    label = torch.arange(1200) % 2
    points = torch.stack([angle.cos() + label, angle.sin() * (1 - 2 * label) + label / 2], dim=1)
    points += 0.2 * torch.randn(1200, 2, generator=generator)
    return Task(
        name="Moons",
        train=TensorDataset(points[:1000], label[:1000]),
        test=TensorDataset(points[1000:], label[1000:]),
        make_model=lambda: nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2)),
        objective=Classification(),
        recipe=Recipe(epochs=epochs, batch_size=20, optimizer=lambda weights: torch.optim.Adam(weights, lr=0.01)),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    for name in ("full", "random", "top-loss"):
        env = gym.make("DataSelect/Custom-v0", task=moons, epochs=arguments.epochs).unwrapped
        result = run_policy(make_policy(name), env, seed=0)
        figures = f"validation accuracy {result.validation:.3f}, test accuracy {result.quality:.3f}"
        print(f"{name}: {figures} at a cost of {result.cost:.2f}")
