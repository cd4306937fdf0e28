"""Seconds of keeping everything through the environment over those of a hand-written loop, on CIFAR-10.

Three ways to train the same model for the same time: the environment, the samplewise view as Stable-Baselines3 steps
it, and an ordinary loop. Data, batches, precision, augmentation, schedule and evaluation are the same; only the seeds
of the shuffle differ. The test set is left out: its evaluation is the same and would only hide the difference. The
three take turns in one process, a different one first at each repeat, after a short run of each that is not counted.

The second table has what a step takes beside loading, training and evaluation, by the run's own timer. There is no
policy; the time outside the environment is that of the samplewise view.

    python benchmarks/overhead.py --data-dir cifar10
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from measuring import add_cifar10, cifar10, first, make_parser, moment, print_head, print_row, print_settings, spread

from data_select_gym.envs import DataSelectEnv, SamplewiseVecEnv
from data_select_gym.tasks import Task
from data_select_gym.tasks.recipe import PRECISIONS
from data_select_gym.training import Plan, RunConfig
from data_select_gym.training.device import choose_device

EVERYTHING: dict[str, Any] = {"warmup_epochs": 0, "anneal_fraction": 0.0}
BOOKKEEPING = ("signals", "ledger", "bookkeeping", "copy", "policy")
WARMING_POOLS = 2


class ComparisonResult(NamedTuple):
    """Seconds and validation accuracy of a run, and milliseconds a step of ``BOOKKEEPING``; a plain loop has none."""

    seconds: float
    accuracy: float
    bookkeeping: dict[str, float]


Way: TypeAlias = Callable[[Task, torch.device], ComparisonResult]


def through_environment(task: Task, device: torch.device) -> ComparisonResult:
    env = DataSelectEnv(task, device=str(device), **EVERYTHING)
    everything = np.ones(env.plan.pool_size, dtype=np.int8)
    began = moment(device)
    env.reset(seed=0)
    before, terminated = env.run.seconds_by_part, False
    while not terminated:
        _, _, terminated, _, info = env.step(everything)
    return ComparisonResult(moment(device) - began, info["eval"]["val_accuracy"], bookkeeping(env, before))


def through_samplewise_view(task: Task, device: torch.device) -> ComparisonResult:
    env = DataSelectEnv(task, device=str(device), **EVERYTHING)
    view = SamplewiseVecEnv(env, action="keep", autoreset=False)
    everything = np.ones(view.num_envs, dtype=np.int64)
    view.seed(0)
    began = moment(device)
    view.reset()
    before, terminated = env.run.seconds_by_part, False
    while not terminated:
        _, _, ends, infos = view.step(everything)
        terminated = bool(ends.all())
    return ComparisonResult(moment(device) - began, infos[-1]["eval"]["val_accuracy"], bookkeeping(env, before))


def bookkeeping(env: DataSelectEnv, before: dict[str, float]) -> dict[str, float]:
    """Milliseconds a step of the parts; ``before`` are the seconds by part before the first step."""
    seconds = env.run.seconds_by_part
    return {part: 1000 * (seconds[part] - before[part]) / env.plan.total_pools for part in BOOKKEEPING}


def by_hand(task: Task, device: torch.device) -> ComparisonResult:
    """An ordinary training loop, over as many samples an epoch as the environment shows."""
    recipe, plan = task.recipe, Plan.of(task, RunConfig(**EVERYTHING))
    began = moment(device)
    torch.manual_seed(0)
    model = task.make_model().to(device)
    optimizer = recipe.optimizer(model.parameters())
    largest = optimizer.param_groups[0]["lr"]
    generator = torch.Generator(device).manual_seed(0)
    images, labels = (tensor.to(device) for tensor in task.train.tensors)  # type: ignore[attr-defined]
    shown = plan.pools_per_epoch * plan.pool_size
    batches = plan.pools_per_epoch * max(1, round(plan.pool_size / recipe.batch_size))
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(images), device=device)[:shown]
        model.train()
        for number, rows in enumerate(order.tensor_split(batches)):
            progress = (epoch + number / batches) / recipe.epochs
            optimizer.param_groups[0]["lr"] = largest * recipe.schedule(progress)
            inputs = recipe.augment(images[rows], generator) if recipe.augment else images[rows]
            with autocast(task, device):
                loss = F.cross_entropy(model(inputs), labels[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        accuracy = evaluate(model, task.validation, task, device)
    return ComparisonResult(moment(device) - began, accuracy, {})


@torch.no_grad()
def evaluate(model: torch.nn.Module, dataset: Any, task: Task, device: torch.device) -> float:
    model.eval()
    right = torch.zeros((), dtype=torch.int64, device=device)
    with autocast(task, device):
        images, labels = (torch.split(tensor, task.recipe.evaluation_batch_size) for tensor in dataset.tensors)
        for inputs, targets in zip(images, labels, strict=True):
            right += (model(inputs.to(device)).argmax(1) == targets.to(device)).sum()
    return right.item() / len(dataset)


def autocast(task: Task, device: torch.device) -> torch.autocast:
    dtype = PRECISIONS[task.recipe.precision]
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32)


WAYS: dict[str, Way] = {
    "by hand": by_hand,
    "environment": through_environment,
    "samplewise view": through_samplewise_view,
}


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--epochs", type=int, default=1)
    add_cifar10(parser, samples=None, repeats="runs of each of the three")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    task = replace(cifar10(arguments, epochs=arguments.epochs), test=None)
    pool_size = Plan.of(task, RunConfig(**EVERYTHING)).pool_size
    for way in WAYS.values():
        way(first(task, WARMING_POOLS * pool_size), device)
    outcomes: dict[str, list[ComparisonResult]] = {name: [] for name in WAYS}
    for repeat in range(arguments.repeats):
        turn = repeat % len(WAYS)
        for name in [*WAYS][turn:] + [*WAYS][:turn]:
            outcomes[name].append(WAYS[name](task, device))
    print_head(["training"], ["seconds", "over by hand", "validation accuracy"])
    plain = [outcome.seconds for outcome in outcomes["by hand"]]
    for name, some in outcomes.items():
        seconds = [outcome.seconds for outcome in some]
        ratios = [mine / theirs for mine, theirs in zip(seconds, plain, strict=True)]
        print_row(name, spread(seconds, ".2f"), spread(ratios), spread([outcome.accuracy for outcome in some], ".4f"))
    print(f"\nMilliseconds of a step, a pool of {pool_size:,}:\n")
    print_head(["training"], [*BOOKKEEPING, "together"])
    for name in ("environment", "samplewise view"):
        parts = [outcome.bookkeeping for outcome in outcomes[name]]
        columns = [[milliseconds[part] for milliseconds in parts] for part in BOOKKEEPING]
        print_row(name, *map(spread, [*columns, [sum(milliseconds.values()) for milliseconds in parts]]))
    print_settings(arguments, device)


if __name__ == "__main__":
    main()
