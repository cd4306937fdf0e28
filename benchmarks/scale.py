"""Seconds and bytes of the ledger, the pools and the selection, by the size of the data set and of the pool.

The ledger takes the same bytes for each sample, however many there are. Reading a pool's signals, choosing, and
recording the kept ones touch only the pool. The last column has the seconds of all three relative to the fewest
samples, where only the processor's caches should make a difference. Only the permutation of the training set, once an
epoch, grows with it.

    python benchmarks/scale.py --samples 100000 1000000 10000000 100000000
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from measuring import make_parser, moment, print_head, print_row, print_settings, spread
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
    parser = make_parser(__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[10**5, 10**6, 10**7, 10**8])
    parser.add_argument("--pool-sizes", type=int, nargs="+", default=[64, 1024, 16_384, 65_536])
    parser.add_argument("--repeats", type=int, default=20, help="steps of which the median is taken")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    figures = ["read, ms", "choose, ms", "record, ms", "over the fewest samples"]
    print_head([], ["samples", "pool", "bytes a sample", "ledger, GB", "permutation, s", *figures])
    fewest: dict[int, float] = {}
    for samples in arguments.samples:
        for pool_size in arguments.pool_sizes:
            if pool_size <= samples:
                each, permutation, steps = measure(samples, pool_size, arguments.repeats, device)
                step = sum(map(statistics.median, steps))
                ratio = f"{step / fewest.setdefault(pool_size, step):.2f}"
                size = f"{each:.0f}", f"{each * samples / 1e9:.3f}", f"{permutation:.3f}"
                print_row(f"{samples:,}", f"{pool_size:,}", *size, *map(spread, steps), ratio)
    print_settings(arguments, device)


def measure(samples: int, pool_size: int, repeats: int, device: torch.device) -> tuple[float, float, list[list[float]]]:
    """Bytes a sample, seconds of a permutation, and milliseconds of reading, choosing and recording at each step."""
    ledger = Ledger(samples, device=device)
    pools = Pools(Plan(samples, pool_size, epochs=2, warmup_epochs=0, anneal_fraction=0), seed=0)
    began = time.perf_counter()
    pools[0]
    permutation = time.perf_counter() - began
    logits = torch.randn(pool_size, CLASSES, device=device)
    labels = torch.randint(CLASSES, (pool_size,), device=device)
    fresh = classification_signals(logits, labels, torch.nn.functional.cross_entropy(logits, labels, reduction="none"))
    steps: list[list[float]] = [[], [], []]
    for number in range(repeats + 1):
        indices = pools[number % pools.plan.pools_per_epoch].to(device)
        signals, read = timed(partial(ledger.read, indices), device)
        kept, choose = timed(partial(best_share, signals.loss, 0.5), device)
        _, record = timed(partial(note, ledger, indices, kept, fresh), device)
        if number:  # the first pays for what is done on first use
            for values, value in zip(steps, (read, choose, record), strict=True):
                values.append(1000 * value)
    return ledger.bytes_per_sample, permutation, steps


def note(ledger: Ledger, indices: Tensor, kept: Tensor, fresh: Signals) -> None:
    """Record the samples trained on, as a step does."""
    positions = kept.nonzero().squeeze(1)
    ledger.record(indices[positions], fresh.rows(positions), step=1)


def timed(work: Callable[[], Result], device: torch.device) -> tuple[Result, float]:
    """The result of a function, and its seconds."""
    began = moment(device)
    result = work()
    return result, moment(device) - began


if __name__ == "__main__":
    main()
