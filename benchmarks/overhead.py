"""Seconds of keeping everything through the environment over those of a hand-written loop, on CIFAR-10.

Both train the same small CNN on the same data with the same batch size, schedule, augmentation and evaluation, in turn,
in one process.

    python benchmarks/overhead.py --data-dir cifar10
"""

from __future__ import annotations

import argparse
import statistics
import time

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F

import data_select_gym  # noqa: F401, registers the environments
from data_select_gym.envs import DataSelectEnv
from data_select_gym.tasks import Task, make_task
from data_select_gym.training.device import choose_device


def through_environment(data_dir: str, epochs: int, device: str) -> tuple[float, float]:
    """Seconds and validation accuracy of a run in which every step keeps everything."""
    env = gym.make(
        "DataSelect/CIFAR10-v0", data_dir=data_dir, epochs=epochs, warmup_epochs=0, anneal_fraction=0.0, device=device
    ).unwrapped
    assert isinstance(env, DataSelectEnv)
    keep_all = np.ones(env.plan.pool_size, dtype=np.int8)
    began = time.perf_counter()
    env.reset(seed=0)
    over = False
    while not over:
        _, _, over, _, info = env.step(keep_all)
    return time.perf_counter() - began, info["eval"]["val_accuracy"]


def by_hand(task: Task, device: torch.device) -> tuple[float, float]:
    """Seconds and validation accuracy of an ordinary training loop."""
    recipe = task.recipe
    began = time.perf_counter()
    torch.manual_seed(0)
    model = task.make_model().to(device)
    optimizer = recipe.optimizer(model.parameters())
    largest = optimizer.param_groups[0]["lr"]
    generator = torch.Generator(device).manual_seed(0)
    images, labels = (tensor.to(device) for tensor in task.train.tensors)  # type: ignore[attr-defined]
    batches = len(images) // recipe.batch_size
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(images), device=device)[: batches * recipe.batch_size]
        model.train()
        for number, rows in enumerate(torch.split(order, recipe.batch_size)):
            progress = (epoch + number / batches) / recipe.epochs
            optimizer.param_groups[0]["lr"] = largest * recipe.schedule(progress)
            inputs = recipe.augment(images[rows], generator) if recipe.augment else images[rows]
            loss = F.cross_entropy(model(inputs), labels[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        accuracy = evaluate(model, *task.validation.tensors)  # type: ignore[union-attr]
    evaluate(model, *task.test.tensors)  # type: ignore[union-attr]
    return time.perf_counter() - began, accuracy


@torch.no_grad()
def evaluate(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    device = next(model.parameters()).device
    model.eval()
    right = 0
    for inputs, targets in zip(torch.split(images, 500), torch.split(labels, 500), strict=True):
        right += int((model(inputs.to(device)).argmax(1) == targets.to(device)).sum())
    return right / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, help="folder with CIFAR-10")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    task = make_task("cifar10", data_dir=arguments.data_dir, epochs=arguments.epochs)
    ratios = []
    print("| repeat | environment, s | by hand, s | ratio | validation accuracy of each |")
    print("| ---: | ---: | ---: | ---: | --- |")
    for repeat in range(arguments.repeats):
        mine, accuracy = through_environment(arguments.data_dir, arguments.epochs, arguments.device)
        plain, plain_accuracy = by_hand(task, device)
        ratios.append(mine / plain)
        print(
            f"| {repeat} | {mine:.1f} | {plain:.1f} | {ratios[-1]:.3f} | {accuracy:.4f}, {plain_accuracy:.4f} |",
            flush=True,
        )
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(f"\nmedian ratio {statistics.median(ratios):.3f} ({spread}), {torch.get_num_threads()} threads, {device}")


if __name__ == "__main__":
    main()
