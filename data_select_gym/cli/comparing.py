"""The commands ``demo`` and ``compare``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from data_select_gym.cli.options import add_environment, add_output, environment_options, new_folder

DEMO_POLICIES = "full,full-equal-cost,random,top-loss,infobatch,data-agent-paper,data-agent,ppo,dqn"


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
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
    add_environment(comparison)
    add_output(comparison)


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """The options that say what is compared."""
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
