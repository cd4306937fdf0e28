"""Seconds and cost until a target validation accuracy, by policy, on CIFAR-10.

Each policy makes whole runs, at the same keep ratio and in the environment that it needs. The model is evaluated on
the validation set at the end of each epoch. The first evaluation that reaches a target counts; a dash means none.
Seconds count from the beginning of the run and include the policy and the evaluations. The test set is not used.

    python benchmarks/time_to_quality.py --data-dir cifar10
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import NamedTuple

import torch
from measuring import add_cifar10, cifar10, first, make_parser, moment, print_head, print_row, print_settings, spread

from data_select_gym.agents import make_policy, run_policy
from data_select_gym.envs import DataSelectEnv
from data_select_gym.tasks import Task
from data_select_gym.training import FunctionCallback, Plan, TrainingRun
from data_select_gym.training.device import choose_device

POLICIES = "full,full-equal-cost,random,top-loss,infobatch,data-agent"
WARMING_POOLS = 2


class Point(NamedTuple):
    """An evaluation: seconds since the run began, cost so far, and validation accuracy."""

    seconds: float
    cost: float
    accuracy: float


def curve_of(task: Task, name: str, keep_ratio: float, device: torch.device, seed: int) -> list[Point]:
    """The evaluations of one run, in order."""
    policy = make_policy(name)
    needed = policy.required_config(Plan.of(task), keep_ratio)
    env = DataSelectEnv(task, **({"keep_ratio": keep_ratio} | needed | {"device": str(device)}))
    curve: list[Point] = []

    def note(run: TrainingRun) -> None:
        if len(run.evaluations) > len(curve):
            accuracy = run.evaluations[-1].validation[task.objective.primary_metric]
            curve.append(Point(moment(run.device) - began, run.cost, accuracy))

    env.callbacks.append(FunctionCallback(note))
    began = moment(device)
    run_policy(policy, env, seed)
    return curve


def reached(curve: list[Point], target: float) -> Point:
    """The first evaluation that reached a target; at infinity if none did."""
    return next((point for point in curve if point.accuracy >= target), Point(math.inf, math.inf, target))


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--targets", default="0.6,0.7,0.75,0.8", help="validation accuracies")
    parser.add_argument("--policies", default=POLICIES)
    parser.add_argument("--keep-ratio", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, help="of a full-data run; the model's own if None")
    add_cifar10(parser, samples=None, repeats="runs of each policy, by seeds from 0")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    task = replace(cifar10(arguments, epochs=arguments.epochs), test=None)
    warm = replace(first(task, WARMING_POOLS * Plan.of(task).pool_size), recipe=replace(task.recipe, epochs=3))
    curve_of(warm, "random", arguments.keep_ratio, device, seed=0)
    curves: dict[str, list[list[Point]]] = {name: [] for name in arguments.policies.split(",")}
    for seed in range(arguments.repeats):
        for name, some in curves.items():
            some.append(curve_of(task, name, arguments.keep_ratio, device, seed))
            last = some[-1][-1]
            print(f"seed {seed}, {name}: {last.seconds:.0f} s, {last.accuracy:.4f}", file=sys.stderr, flush=True)
    targets = [float(target) for target in arguments.targets.split(",")]
    print("Seconds until the validation accuracy is reached:\n")
    print_head(["policy"], [*(f"{target:g}" for target in targets), "at the end", "accuracy at the end"])
    for name, some in curves.items():
        columns = [[reached(curve, target).seconds for curve in some] for target in targets]
        ends = spread([curve[-1].accuracy for curve in some], ".4f")
        columns.append([curve[-1].seconds for curve in some])
        print_row(name, *(spread(column, ".1f") for column in columns), ends)
    print("\nCost until then, of a full-data run:\n")
    print_head(["policy"], [*(f"{target:g}" for target in targets), "at the end"])
    for name, some in curves.items():
        columns = [[reached(curve, target).cost for curve in some] for target in targets]
        print_row(name, *map(spread, [*columns, [curve[-1].cost for curve in some]]))
    print_settings(arguments, device)


if __name__ == "__main__":
    main()
