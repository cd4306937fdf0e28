"""``data-select-gym compare``."""

from __future__ import annotations

import argparse

from data_select_gym.cli.comparing import add_repetitions, run_comparison
from data_select_gym.cli.options import add_checkpoints, add_environment, add_output
from data_select_gym.cli.registry import register_command


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is compared, where, and where the results go."""
    parser.add_argument(
        "--policies",
        default="full,full-equal-cost,random,data-agent",
        metavar="NAMES",
        help="names separated by commas, 'all' for every policy that can run here, 'module:object' for a custom one, "
        "each with options if you like, as in 'ppo:n_steps=5:learning_rate=1e-3'; or a file that 'data-select-gym "
        "train' wrote. A file is unpickled: use only files that you trust",
    )
    add_repetitions(parser)
    add_environment(parser)
    add_output(parser)
    add_checkpoints(parser)
    parser.add_argument(
        "--resume",
        metavar="DIR",
        help="resume the comparison in this folder with its own settings, instead of all other options. Settings may "
        "name files and modules that run code: resume only comparisons that you trust",
    )


@register_command(
    "compare",
    description="compare policies on an environment over seeds",
    details="Run every policy once for each seed, from the same initial weights and with the same pools, and tabulate "
    "quality on the test set, cost and seconds.",
    example="Example: data-select-gym compare --env DataSelect/CIFAR10-v0 --data-dir cifar10 "
    "--policies full,random,data-agent --keep-ratio 0.3,0.5 --seeds 3. To resume after an interruption, give --resume "
    "and the folder, or the same command with the same --out.",
    add_options=add_options,
)
def run_compare(parsed: argparse.Namespace) -> int:
    """Compare; returns 1 if a run has failed, 130 after an interruption, otherwise 0."""
    return run_comparison(parsed)
