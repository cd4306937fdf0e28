"""Resident memory over many resets of an environment: does it stay flat?

Each reset builds a model and trains the warm-up epoch; a step follows. Needs an operating system with ``/proc``.

    python benchmarks/resets.py
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import numpy as np
import torch
from measuring import make_parser, print_settings

from data_select_gym.envs import as_base_env

MIB = 2**20


def resident() -> float:
    """Resident memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--resets", type=int, default=1000)
    parser.add_argument("--every", type=int, default=100, help="resets between two looks at the memory")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--growth", type=float, default=4.0, help="MiB by which it may grow after the first look")
    parser.add_argument("--tensorboard", help="folder for TensorBoard curves, a folder within it for each run")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    env = as_base_env(
        "DataSelect/Digits-v0", epochs=arguments.epochs, device="cpu", tensorboard_log=arguments.tensorboard
    )
    everything = np.ones(env.plan.pool_size)
    looks: list[float] = []
    began = time.perf_counter()
    for number in range(1, arguments.resets + 1):
        env.reset(seed=number)
        env.step(everything)
        if number % arguments.every == 0:
            gc.collect()
            looks.append(resident())
            seconds = time.perf_counter() - began
            files = len(os.listdir("/proc/self/fd"))
            print(f"{number:5} resets, {seconds:6.1f} s: {looks[-1]:7.1f} MiB, {files} open files", flush=True)
    env.close()
    growth = max(looks) - looks[0]
    print(f"the memory grew by {growth:.1f} MiB after the first {arguments.every} resets")
    print_settings(arguments, torch.device("cpu"))
    if growth > arguments.growth:
        raise SystemExit(f"that is more than {arguments.growth} MiB")


if __name__ == "__main__":
    main()
