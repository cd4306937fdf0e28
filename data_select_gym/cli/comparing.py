"""Comparing policies, which ``compare``, ``demo`` and ``evaluate`` do."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from data_select_gym.cli.options import add_budget, environment_options, new_folder, shares
from data_select_gym.cli.text import print_plain

if TYPE_CHECKING:
    from rich.console import Console

    from data_select_gym.experiments import Comparison, ComparisonResult


def add_repetitions(parser: argparse.ArgumentParser) -> None:
    """The options that say at which keep ratios or costs, and how often, a policy is run."""
    add_budget(parser, shares, "SHARES", "; several separated by commas")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="how many seeds: 0, 1, ...")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="runs at the same time, each in a process with one thread"
    )


def choose_policies(text: str) -> dict[str, str]:
    """The policies named in a text, separated by commas; ``all`` for every one that can run here."""
    from data_select_gym.agents import available_policies
    from data_select_gym.experiments.command_line import name_policies, split_policies

    names = split_policies(text)
    return name_policies(available_policies() if names == ["all"] else names)


def run_comparison(parsed: argparse.Namespace) -> int:
    """Compare, and report the results; returns 1 if a run has failed, 130 after an interruption, otherwise 0."""
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
        print_plain(console, f"Stopped; resume with: {command}" if begun else "Stopped before anything was written")
        return 130
    report(comparison, outcome, console)
    return 1 if outcome.failures else 0


def asked_comparison(parsed: argparse.Namespace) -> tuple[Comparison, int | None]:
    """The comparison that the options describe, or the one in the folder of ``--resume``, and its number of threads.

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

    lines = [f"Failed: {describe_failure(failure)}" for failure in outcome.failures]
    if outcome.failures:
        lines.append(
            f"Tracebacks are in {comparison.out / 'failures'}; the same command with --out {comparison.out} tries again"
        )
    if outcome.reused:
        lines.append(f"{outcome.reused} of {len(comparison.planned)} runs had finished before and were not repeated")
    lines += [
        f"Page: {comparison.out / 'page.html'}",
        f"Tables: {comparison.out / 'table.md'}, results.csv and results.json beside it",
        f"Curves: tensorboard --logdir {comparison.out / 'tensorboard'}",
    ]
    asked, seeds = comparison.keep_ratios or comparison.costs, comparison.seeds
    title = (
        f"{comparison.env}, {'cost' if comparison.costs else 'keep ratio'}{'s' * (len(asked) > 1)} "
        f"{', '.join(f'{share:g}' for share in asked)}, {seeds} seed{'s' * (seeds > 1)}"
    )
    console.print(make_table(summarise(outcome.runs), comparison.primary_metric, title))
    for line in lines:
        print_plain(console, line)
