"""Seconds and bytes of the ledger, the pools and the selection, by the size of the data set and of the pool.

The ledger should take the same bytes for each sample however many there are, and what a step does (reading a pool's
signals, choosing, recording those of the kept) the same seconds. Only what is done once an epoch, the permutation of
the training set, should grow with it.

    python benchmarks/scale.py --samples 100000 1000000 10000000 100000000
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from data_select_gym.ledger import Ledger
from data_select_gym.selection import best_share
from data_select_gym.signals import Signals, classification_signals
from data_select_gym.training import Plan
from data_select_gym.training.device import choose_device
from data_select_gym.training.pools import Pools

CLASSES = 10
Result = TypeVar("Result")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[10**5, 10**6, 10**7, 10**8])
    parser.add_argument("--pool-sizes", type=int, nargs="+", default=[64, 1024, 16_384, 65_536])
    parser.add_argument("--repeats", type=int, default=20, help="steps of which the median is taken")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    print("| samples | pool | bytes a sample | ledger, GB | permutation, s | read, ms | choose, ms | record, ms |")
    print("| ---: " * 8 + "|")
    for samples in arguments.samples:
        for pool_size in arguments.pool_sizes:
            if pool_size <= samples:
                print(measure(samples, pool_size, arguments.repeats, device), flush=True)
    print(f"\nmedians of {arguments.repeats} steps; {torch.get_num_threads()} threads, {device}")


def measure(samples: int, pool_size: int, repeats: int, device: torch.device) -> str:
    """A row of the table."""
    ledger = Ledger(samples, device=device)
    pools = Pools(Plan(samples, pool_size, epochs=2, warmup_epochs=0, anneal_fraction=0), seed=0)
    began = time.perf_counter()
    pools[0]
    permutation = time.perf_counter() - began
    logits = torch.randn(pool_size, CLASSES, device=device)
    labels = torch.randint(CLASSES, (pool_size,), device=device)
    fresh = classification_signals(logits, labels, torch.nn.functional.cross_entropy(logits, labels, reduction="none"))
    seconds: dict[str, list[float]] = {"read": [], "choose": [], "record": []}
    for number in range(repeats + 1):
        indices = pools[number % pools.plan.pools_per_epoch].to(device)
        signals, read = timed(partial(ledger.read, indices), device)
        kept, choose = timed(partial(best_share, signals.loss, 0.5), device)
        _, record = timed(partial(note, ledger, indices, kept, fresh), device)
        if number:  # the first pays for what is done on first use
            for name, value in zip(seconds, (read, choose, record), strict=True):
                seconds[name].append(1000 * value)
    each = ledger.bytes_per_sample
    medians = " | ".join(f"{statistics.median(values):.3f}" for values in seconds.values())
    return f"| {samples:,} | {pool_size:,} | {each:.0f} | {each * samples / 1e9:.3f} | {permutation:.3f} | {medians} |"


def note(ledger: Ledger, indices: Tensor, kept: Tensor, fresh: Signals) -> None:
    """Record what was trained on, as a step does."""
    positions = kept.nonzero().squeeze(1)
    rows = indices[positions]
    ledger.record(rows, fresh.rows(positions))
    ledger.visit(rows, 1)


def timed(work: Callable[[], Result], device: torch.device) -> tuple[Result, float]:
    """What some work gives, and its seconds."""
    began = time.perf_counter()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - began


if __name__ == "__main__":
    main()
