"""Seconds of a pruned step over those of a full one, by policy and keep ratio, on CIFAR-10.

Each run trains on all data, then selects, then trains on all data again, so a machine that becomes slower or faster
affects both alike: a full step's seconds are the mean of those before and after. A pruned step's seconds go from the
end of one pool to the end of the next. They include the policy and the agent's updates, three in thirty steps, but no
evaluations. The ideal is the share that is kept. The second table shows where a pruned step's seconds go, by the run's
own timer.

    python benchmarks/savings.py --data-dir cifar10
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from measuring import add_cifar10, cifar10, make_parser, moment, print_head, print_row, print_settings, spread

from data_select_gym.agents import OnlinePolicy, Policy, make_policy, run_policy
from data_select_gym.envs import DataSelectEnv
from data_select_gym.phase_timer import PHASES
from data_select_gym.tasks import Task
from data_select_gym.tasks.data import length, rows_of
from data_select_gym.training import FunctionCallback, Plan, RunConfig, TrainingRun
from data_select_gym.training.device import choose_device

# The published agent's state is the embedding, ours the signals.
POLICIES = "random,top-loss,infobatch,data-agent-paper,data-agent"
# Both agents learn after every ten steps.
PRUNED_STEPS = 30
# The first ones pay for what is done on first use.
SKIPPED_STEPS, FULL_STEPS = 2, 6
# Seldom and small, since evaluations are left out anyway.
VALIDATION = 500
EVALUATION = "evaluate"


class Savings(NamedTuple):
    """One run: the share kept, seconds of a full and a pruned step, and those of the pruned step by part."""

    kept: float
    full: float
    pruned: float
    parts: dict[str, float]


class Reading(NamedTuple):
    """The time at the end of a pool, and the run's seconds by part so far."""

    time: float
    parts: dict[str, float]


def timetable(task: Task) -> dict[str, int]:
    """The number of epochs and of warm-up epochs that give enough steps of either kind."""
    pools = Plan.of(task, RunConfig(warmup_epochs=0, anneal_fraction=0.0)).pools_per_epoch
    full, pruned = math.ceil((SKIPPED_STEPS + FULL_STEPS) / pools), math.ceil((PRUNED_STEPS + 1) / pools)
    return {"epochs": full + pruned + full, "warmup_epochs": full}


def measure(task: Task, name: str, keep_ratio: float, device: torch.device, seed: int) -> Savings:
    times = timetable(task)
    task = replace(task, recipe=replace(task.recipe, epochs=times["epochs"]))
    settings = {"warmup_epochs": times["warmup_epochs"], "anneal_fraction": times["warmup_epochs"] / times["epochs"]}
    policy, plan = annealing(make_policy(name)), Plan.of(task, RunConfig(**settings))
    needed = policy.required_config(plan, keep_ratio)
    env = DataSelectEnv(task, **({"keep_ratio": keep_ratio, "device": str(device)} | settings | needed))
    first = plan.warmup_pools + 1
    windows = [
        (SKIPPED_STEPS, plan.warmup_pools),
        (first, first + PRUNED_STEPS),
        (plan.anneal_start + 1, plan.total_pools),
    ]
    readings: dict[int, Reading] = {}

    def note(run: TrainingRun) -> None:
        if any(run.pool_number in window for window in windows):
            readings[run.pool_number] = Reading(moment(run.device), run.seconds_by_part)

    env.callbacks.append(FunctionCallback(note))
    run_policy(policy, env, seed)
    before, pruned, after = (parts_of_a_step(*window, readings) for window in windows)
    kept = [share for number, share in env.keep_fractions if first < number <= first + PRUNED_STEPS]
    return Savings(float(np.mean(kept)), (before["whole"] + after["whole"]) / 2, pruned.pop("whole"), pruned)


def annealing(policy: Policy) -> Policy:
    """The policy at the requested keep ratio, with annealing even if it would skip that."""
    if not isinstance(policy, OnlinePolicy):
        return policy
    ask = policy.algorithm.required_config
    own = ("keep_ratio", "anneal_fraction")
    return OnlinePolicy(
        replace(
            policy.algorithm,
            required_config=lambda plan, ratio: {
                name: value for name, value in ask(plan, ratio).items() if name not in own
            },
        )
    )


def parts_of_a_step(begin: int, end: int, readings: dict[int, Reading]) -> dict[str, float]:
    """Seconds of a step between the ends of two pools, in total and by part, without evaluations."""
    earlier, later = readings[begin], readings[end]
    seconds = {name: later.parts[name] - earlier.parts[name] for name in PHASES}
    seconds["whole"] = later.time - earlier.time - seconds.pop(EVALUATION)
    return {name: value / (end - begin) for name, value in seconds.items()}


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--policies", default=POLICIES)
    parser.add_argument("--keep-ratio", default="0.1,0.3,0.5,0.7")
    add_cifar10(parser, samples=8192, repeats="runs of each policy at each keep ratio")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    task = without_much_evaluation(cifar10(arguments))
    rows = measure_all(task, arguments, device)
    shown = [name for name in PHASES if name != EVALUATION]
    print("\nParts of a pruned step, as shares of its seconds:\n")
    print_head(["policy"], ["keep ratio", *shown])
    for (name, keep_ratio), runs in rows.items():
        shares = [statistics.median(run.parts[part] / sum(run.parts.values()) for run in runs) for part in shown]
        print_row(name, f"{keep_ratio:g}", *(f"{share:.1%}" for share in shares))
    print_settings(arguments, device)


def measure_all(
    task: Task, arguments: argparse.Namespace, device: torch.device
) -> dict[tuple[str, float], list[Savings]]:
    """All runs by policy and keep ratio; prints each row of the first table when it is known."""
    rows: dict[tuple[str, float], list[Savings]] = {}
    figures = ["keep ratio", "share kept", "full step, s", "pruned step, s", "pruned over full", "over the ideal"]
    print_head(["policy"], figures)
    for keep_ratio in map(float, arguments.keep_ratio.split(",")):
        for name in arguments.policies.split(","):
            runs = [measure(task, name, keep_ratio, device, seed) for seed in range(arguments.repeats)]
            rows[name, keep_ratio] = runs
            columns = [
                [run.full for run in runs],
                [run.pruned for run in runs],
                [run.pruned / run.full for run in runs],
                [run.pruned / run.full / run.kept for run in runs],
            ]
            kept = statistics.median(run.kept for run in runs)
            print_row(name, f"{keep_ratio:g}", f"{kept:.3f}", *map(spread, columns))
    return rows


def without_much_evaluation(task: Task) -> Task:
    """The same task with few validation images and no test set."""
    few = torch.arange(min(VALIDATION, length(task.validation)))
    return replace(task, validation=rows_of(task.validation, few), test=None)


if __name__ == "__main__":
    main()
