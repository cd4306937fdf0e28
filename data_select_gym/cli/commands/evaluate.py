"""``data-select-gym evaluate``."""

from __future__ import annotations

import argparse

from data_select_gym.cli.comparing import add_repetitions, run_comparison
from data_select_gym.cli.options import add_environment, add_output
from data_select_gym.cli.registry import register_command


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which policy is evaluated, where, and where the results go."""
    parser.add_argument(
        "--policy",
        dest="policies",
        required=True,
        metavar="NAME",
        help="file of an agent, name of a policy, or 'module:object', with options if you like, as in 'ppo:n_steps=5'",
    )
    add_repetitions(parser)
    add_environment(parser)
    add_output(parser)


@register_command(
    "evaluate",
    description="evaluate a policy over whole runs",
    details="Run one policy, such as a file that 'train' wrote, once for each seed. A file is unpickled: evaluate only "
    "files whose origin you trust.",
    example="Example: data-select-gym evaluate --env DataSelect/CIFAR10-v0 --data-dir cifar10 --policy ppo.zip",
    add_options=add_options,
)
def run_evaluate(parsed: argparse.Namespace) -> int:
    """Evaluate: a comparison of a single policy."""
    return run_comparison(parsed)
