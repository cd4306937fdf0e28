"""The commands ``demo`` and ``compare``."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_select_gym.cli.options import (
    add_budget,
    add_checkpoints,
    add_environment,
    add_output,
    environment_options,
    new_folder,
)
from data_select_gym.cli.parser import HelpFormatter

if TYPE_CHECKING:
    from rich.console import Console

    from data_select_gym.experiments import Comparison, ComparisonResult

DEMO_POLICIES = "full,full-equal-cost,random,top-loss,infobatch,data-agent-paper,data-agent,ppo,dqn"


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
    demo = commands.add_parser(
        "demo",
        help="compare nine policies on scans of digits that come along, in under two minutes",
        description="Compare nine policies, hand-crafted and learned, on scikit-learn's scans of handwritten digits "
        "over three seeds. It needs no data and no GPU.",
        formatter_class=HelpFormatter,
    )
    demo.set_defaults(
        run_jobs=run_comparison,
        env="DataSelect/Digits-v0",
        policies=DEMO_POLICIES,
        keep_ratio=(0.5,),
        cost=None,
        seeds=3,
        jobs=1,
        threads=1,
    )
    add_output(demo)
    comparison = commands.add_parser(
        "compare",
        help="compare policies on an environment over seeds",
        description="Let every policy drive one training run for each seed, with the same initial weights and pools, "
        "and tabulate quality on the test set, cost and seconds.",
        epilog="Example: data-select-gym compare --env DataSelect/CIFAR10-v0 --data-dir cifar10 "
        "--policies full,random,data-agent --keep-ratio 0.3,0.5 --seeds 3. With --resume and its folder it goes on "
        "where it was stopped; so it does when it is started again with the same --out.",
        formatter_class=HelpFormatter,
    )
    comparison.set_defaults(run_jobs=run_comparison)
    add_comparison(comparison)
    add_environment(comparison)
    add_output(comparison)
    add_checkpoints(comparison)
    comparison.add_argument(
        "--resume",
        metavar="DIR",
        help="go on with the comparison in this folder, with the settings that it was started with, in the place of "
        "all other options; they may name files and modules that run code, so go on only with comparisons of your own",
    )


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """The options that say what is compared."""
    parser.add_argument(
        "--policies",
        default="full,full-equal-cost,random,data-agent",
        metavar="NAMES",
        help="names with commas between them, 'all' for every one that can run here, 'module:object' for one of your "
        "own, each maybe with options behind it as in 'ppo:n_steps=5:learning_rate=1e-3', or a file that "
        "'data-select-gym train' wrote; a file is unpickled, so its origin must be trusted",
    )
    add_repetitions(parser)


def add_repetitions(parser: argparse.ArgumentParser) -> None:
    """The options that say at which keep ratios and how often a policy is run."""
    add_budget(parser, shares, "SHARES", "; several with commas between them")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="how many seeds: 0, 1, ...")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="runs at the same time, each in a process with one thread"
    )


def shares(text: str) -> tuple[float, ...]:
    """Numbers with commas between them."""
    return tuple(float(part) for part in text.split(","))


def choose_policies(text: str) -> dict[str, str]:
    """The policies that are meant by names with commas between them, or by ``all``."""
    from data_select_gym.agents import available_policies
    from data_select_gym.experiments.commands import name_policies, split_policies

    names = split_policies(text)
    return name_policies(available_policies() if names == ["all"] else names)


def run_comparison(parsed: argparse.Namespace) -> int:
    """Carry out ``compare`` and ``demo``; returns 1 if a run has failed, 130 if they were interrupted, otherwise 0."""
    import torch
    from rich.console import Console

    from data_select_gym.arguments import check_count
    from data_select_gym.experiments import compare
    from data_select_gym.experiments.progress import ProgressBar

    comparison, threads = asked_comparison(parsed)
    if threads is not None:
        torch.set_num_threads(check_count("threads", threads))
        if comparison.jobs > 1 and threads > 1:
            raise ValueError(f"threads={threads!r}: with jobs={comparison.jobs!r} a run has one thread; leave it out")
    console = Console()
    try:
        with ProgressBar(comparison, console) as bar:
            outcome = compare(comparison, on_pool=bar.advance)
    except KeyboardInterrupt:
        command = shlex.join(["data-select-gym", "compare", "--resume", str(comparison.out)])
        begun = (comparison.out / "settings.json").exists()
        told = f"Stopped; go on with: {command}" if begun else "Stopped; nothing was begun"
        console.print(told, soft_wrap=True, markup=False, highlight=False)
        return 130
    report(comparison, outcome, console)
    return 1 if outcome.failures else 0


def asked_comparison(parsed: argparse.Namespace) -> tuple[Comparison, int | None]:
    """The comparison that is asked for, be it by options or by the folder of one, and how many threads it has.

    Raises:
        FileNotFoundError: there is no comparison in the folder.
        ValueError: its settings are damaged, or it was started from Python with what no command can name; or an option
            is out of its range.
    """
    from data_select_gym.arguments import check_path
    from data_select_gym.experiments import Comparison
    from data_select_gym.experiments.run_files import read_settings

    minutes = getattr(parsed, "checkpoint_minutes", 10.0)
    if getattr(parsed, "resume", None) is not None:
        folder = check_path("resume", parsed.resume)
        settings = read_settings(folder)
        threads = settings["threads"] if parsed.threads is None else parsed.threads
        return Comparison.from_settings(settings, folder, checkpoint_minutes=minutes), threads
    comparison = Comparison(
        env=parsed.env,
        policies=choose_policies(parsed.policies),
        keep_ratios=() if parsed.cost else parsed.keep_ratio or (0.5,),
        costs=parsed.cost or (),
        seeds=parsed.seeds,
        out=Path(parsed.out) if parsed.out else new_folder(parsed.env),
        options=environment_options(parsed),
        jobs=parsed.jobs,
        checkpoint_minutes=minutes,
    )
    return comparison, parsed.threads


def report(comparison: Comparison, outcome: ComparisonResult, console: Console) -> None:
    """Print the table, the runs that failed, and where everything is."""
    from data_select_gym.experiments import make_table, summarise
    from data_select_gym.experiments.table import describe_failure

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, markup=False, highlight=False)

    asked, seeds = comparison.keep_ratios or comparison.costs, comparison.seeds
    title = (
        f"{comparison.env}, {'cost' if comparison.costs else 'keep ratio'}{'s' * (len(asked) > 1)} "
        f"{', '.join(f'{share:g}' for share in asked)}, {seeds} seed{'s' * (seeds > 1)}"
    )
    console.print(make_table(summarise(outcome.runs), comparison.primary_metric, title))
    for failure in outcome.failures:
        say(f"Failed: {describe_failure(failure)}")
    if outcome.failures:
        say(
            f"Tracebacks are in {comparison.out / 'failures'}; the same command with --out {comparison.out} tries again"
        )
    if outcome.reused:
        say(f"{outcome.reused} of {len(comparison.planned)} runs had been finished before and were not repeated")
    say(f"Page: {comparison.out / 'page.html'}")
    say(f"Tables: {comparison.out / 'table.md'}, results.csv and results.json beside it")
    say(f"Curves: tensorboard --logdir {comparison.out / 'tensorboard'}")
