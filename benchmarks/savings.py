"""Seconds of a pruned step over those of a full one, by policy and keep ratio, on CIFAR-10.

Each run warms up on all data and then selects. A step's seconds are those from the end of one pool to the end of the
next, the policy's own time and its updates included; steps that end an epoch, and with it an evaluation, are left out.
The ideal is the keep ratio itself.

    python benchmarks/savings.py --data-dir cifar10
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import numpy as np
import torch

from data_select_gym.agents import drive, make_policy
from data_select_gym.envs import DataSelectEnv
from data_select_gym.tasks import Task, make_task
from data_select_gym.tasks.data import rows_of
from data_select_gym.training import Plan, TrainingRun
from data_select_gym.training.device import choose_device

# The published agent's state is the embedding, ours the signals.
POLICIES = ("random", "top-loss", "infobatch", "data-agent-paper", "data-agent")
WARM, SELECTING = 2, 4


def measure(task: Task, name: str, keep_ratio: float, device: str, seed: int) -> tuple[float, float, float, float]:
    """Share kept, seconds of a full and of a selecting step, and the agent's share of the latter's run."""
    policy = make_policy(name)
    plan = Plan.of(task, None, warmup_epochs=WARM, anneal_fraction=0.0)
    settings = {"keep_ratio": keep_ratio, **policy.environment(plan, keep_ratio)}
    settings |= {"warmup_epochs": WARM, "anneal_fraction": 0.0, "device": device}
    env = DataSelectEnv(task, **settings)
    ends: list[float] = []

    def note(run: TrainingRun) -> None:
        if run.device.type == "cuda":
            torch.cuda.synchronize(run.device)
        ends.append(time.perf_counter())

    env.on_pool = note
    result = drive(policy, env, seed)
    # The first ones pay for what is done on first use.
    steps = [number for number in range(2, len(ends)) if (number + 1) % plan.pools_per_epoch]
    seconds = {number: ends[number] - ends[number - 1] for number in steps}
    full = [value for number, value in seconds.items() if number < plan.warmup_pools]
    pruned = [value for number, value in seconds.items() if number > plan.warmup_pools]
    return result.keep_fraction, float(np.mean(full)), float(np.mean(pruned)), result.agent_seconds / result.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--model", default="small-cnn")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--samples", type=int, default=8192, help="training images, the first ones")
    parser.add_argument("--policies", default=",".join(POLICIES))
    parser.add_argument("--keep-ratio", default="0.5", help="several with commas between them")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    options = {"model": arguments.model, "precision": arguments.precision, "epochs": WARM + SELECTING}
    whole = make_task("cifar10", data_dir=arguments.data_dir, **options)
    task = replace(whole, train=rows_of(whole.train, torch.arange(arguments.samples)), test=None)
    print("| policy | keep ratio | share kept | full step, s | pruned step, s | ratio | agent's share |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for keep_ratio in map(float, arguments.keep_ratio.split(",")):
        for name in arguments.policies.split(","):
            runs = [measure(task, name, keep_ratio, arguments.device, seed) for seed in range(arguments.repeats)]
            kept, full, pruned, agent = (statistics.median(values) for values in zip(*runs, strict=True))
            ratios = sorted(run[2] / run[1] for run in runs)
            ratio = f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
            row = (name, f"{keep_ratio:g}", f"{kept:.3f}", f"{full:.3f}", f"{pruned:.3f}", ratio, f"{agent:.1%}")
            print(f"| {' | '.join(row)} |", flush=True)
    print(
        f"\nmedians of {arguments.repeats} runs; {torch.get_num_threads()} threads, {choose_device(arguments.device)}"
    )


if __name__ == "__main__":
    main()
