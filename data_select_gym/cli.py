"""The command line."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gymnasium.error import Error as GymnasiumError

from data_select_gym.version import __version__

DEMO_POLICIES = "full,full-equal-cost,random,top-loss,infobatch,data-agent-paper,data-agent,ppo,dqn"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns 0, or 2 with a message if an argument is wrong."""
    # Threads that spin for milliseconds while they wait make steps a hundred times slower on a machine that is shared.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    parsed = make_parser().parse_args(arguments)
    try:
        parsed.carry_out(parsed)
    except (ValueError, TypeError, OSError, ImportError, GymnasiumError) as error:
        print(f"data-select-gym: error: {error}", file=sys.stderr)
        return 2
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(
        prog="data-select-gym",
        description="Choose, while a neural network trains, which samples to train on: compare the policies that do.",
        epilog="'data-select-gym COMMAND --help' tells more. Curves: 'tensorboard --logdir runs'.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    demo = commands.add_parser(
        "demo",
        help="compare nine policies on scans of digits that come along, in under two minutes",
        description="Compare nine policies, hand-crafted and learned, on scikit-learn's scans of handwritten digits "
        "over three seeds. It needs no data and no GPU.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    demo.set_defaults(
        carry_out=run_comparison, env="DataSelect/Digits-v0", policies=DEMO_POLICIES, seeds=3, threads=1, keep_ratio=0.5
    )
    add_output(demo)
    comparison = commands.add_parser(
        "compare",
        help="compare policies on an environment over seeds",
        description="Let every policy drive one training run for each seed, with the same initial weights and pools, "
        "and tabulate quality on the test set, cost and seconds.",
        epilog="Example: data-select-gym compare --env DataSelect/CIFAR10-v0 --data-dir cifar10 "
        "--policies full,random,data-agent --keep-ratio 0.3 --seeds 3",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    comparison.set_defaults(carry_out=run_comparison)
    add_comparison(comparison)
    add_output(comparison)
    listing = commands.add_parser(
        "list",
        help="list environments, policies, features and rewards, with a line each",
        description="List environments, policies, features and rewards, with a line each.",
    )
    listing.set_defaults(carry_out=run_list)
    return parser


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """The options that say what is compared."""
    parser.add_argument("--env", default="DataSelect/Digits-v0", metavar="ID", help="id of the environment")
    parser.add_argument(
        "--policies",
        default="full,full-equal-cost,random,data-agent",
        metavar="NAMES",
        help="names with commas between them, 'all' for every one that 'data-select-gym list' shows, or "
        "'module:object' for one of your own",
    )
    parser.add_argument(
        "--keep-ratio", type=float, default=0.5, metavar="SHARE", help="share of candidates to keep, in (0, 1]"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="how many seeds: 0, 1, ...")
    parser.add_argument(
        "--pool-size", type=int, metavar="P", help="candidates shown at a step; eight minibatches if left out"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs of the recipe; the task's own if left out")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with the data, for environments that read files")
    parser.add_argument("--model", metavar="NAME", help="name of the model, for environments that offer several")
    parser.add_argument("--device", metavar="DEVICE", help="'cpu', 'cuda', ...; a GPU if there is one if left out")
    parser.add_argument(
        "--env-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other argument of the environment, the value in JSON or as plain text; may be repeated",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads of torch on the CPU; torch's choice if left out"
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """The option that says where the outcome goes."""
    parser.add_argument(
        "--out", metavar="DIR", help="folder for tables, pictures and curves; a new one in runs/ if left out"
    )


def run_comparison(parsed: argparse.Namespace) -> None:
    """Carry out ``compare`` and ``demo``."""
    import torch
    from rich.console import Console

    from data_select_gym.agents import POLICIES
    from data_select_gym.arguments import check_count
    from data_select_gym.experiments import Comparison, compare, make_table, summarise
    from data_select_gym.experiments.progress import ProgressBar

    if parsed.threads is not None:
        torch.set_num_threads(check_count("threads", parsed.threads))
    names = [name.strip() for name in parsed.policies.split(",") if name.strip()]
    if names == ["all"]:
        names = list(POLICIES)
    comparison = Comparison(
        env=parsed.env,
        policies={name: name for name in names},
        keep_ratio=parsed.keep_ratio,
        seeds=parsed.seeds,
        out=Path(parsed.out) if parsed.out else new_folder(parsed.env),
        options=environment_options(parsed),
    )
    console = Console()
    with ProgressBar(comparison, console) as bar:
        runs = compare(comparison, on_pool=bar.advance)
    title = (
        f"{comparison.env}, keep ratio {comparison.keep_ratio}, {comparison.seeds} seed{'s' * (comparison.seeds > 1)}"
    )
    console.print(make_table(summarise(runs), comparison.outline[1], title))
    console.print(f"Tables, pictures and curves are in {comparison.out}", soft_wrap=True)
    console.print(f"Curves: tensorboard --logdir {comparison.out / 'tensorboard'}", soft_wrap=True)


def run_list(parsed: argparse.Namespace) -> None:
    """Carry out ``list``."""
    from data_select_gym.experiments.catalogue import catalogue

    for section, entries in catalogue().items():
        print(f"{section}:")
        width = max(map(len, entries))
        for name, description in entries.items():
            print(f"  {name:{width}}  {description}")


def environment_options(parsed: argparse.Namespace) -> dict[str, Any]:
    """The arguments of the environment that were given.

    Raises:
        ValueError: an ``--env-option`` is not of the form NAME=VALUE.
    """
    named = ("pool_size", "epochs", "data_dir", "model", "device")
    options = {name: getattr(parsed, name, None) for name in named}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for option in getattr(parsed, "env_option", []):
        name, separator, value = option.partition("=")
        if not name or not separator:
            raise ValueError(f"--env-option={option!r} is not of the form NAME=VALUE")
        try:
            given[name.replace("-", "_")] = json.loads(value)
        except json.JSONDecodeError:
            given[name.replace("-", "_")] = value
    return given


def new_folder(env: str) -> Path:
    """A folder in ``runs/`` that is named after the environment and the time."""
    task = env.rpartition("/")[2].removesuffix("-v0").lower()
    return Path("runs") / f"{task}-{datetime.now():%Y%m%d-%H%M%S}"
