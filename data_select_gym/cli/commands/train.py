"""``data-select-gym train``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from data_select_gym.cli.options import add_budget, add_checkpoints, add_environment, environment_options, share
from data_select_gym.cli.registry import register_command
from data_select_gym.cli.text import print_plain

if TYPE_CHECKING:
    from rich.console import Console
    from stable_baselines3.common.base_class import BaseAlgorithm

    from data_select_gym.training.checkpoints import Checkpoints

# What other options than --env-option give to the training.
OWN_OPTIONS = {
    *("agent", "env", "runs", "seed", "keep_ratio", "cost"),
    *("on_run", "on_pool", "callbacks", "tensorboard_log", "checkpoints"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which agent learns, where, how long, and where it is saved."""
    parser.add_argument(
        "--agent",
        default="ppo",
        metavar="NAME",
        help="a learned policy of 'data-select-gym list', with options if you like, as in 'ppo:n_steps=5'",
    )
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="how many runs it learns from")
    add_budget(parser, share, "SHARE")
    parser.add_argument(
        "--seed",
        type=int,
        default=1_000_000,
        metavar="N",
        help="of the agent and of all runs; the default is far from the seeds of comparisons",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="file for the agent, ending with .zip")
    parser.add_argument(
        "--resume", action="store_true", help="resume an interrupted training; give the same options as before"
    )
    parser.add_argument("--tensorboard", metavar="DIR", help="folder for learning curves; none if left out")
    add_environment(parser)
    add_checkpoints(parser)


@register_command(
    "train",
    description="let an agent learn over many runs, and save it",
    details="Let an agent learn over many training runs, each with its own initial weights and pools, and save it. It "
    "is then a policy for 'evaluate' and 'compare', in any environment that has its features.",
    example="Example: data-select-gym train --env DataSelect/Digits-v0 --agent ppo --runs 20 --out ppo.zip",
    add_options=add_options,
)
def run_train(parsed: argparse.Namespace) -> int:
    """Train; returns 130 after an interruption, otherwise 0.

    Raises:
        ValueError: an option is out of its range; or there are checkpoints and ``--resume`` is not given, or the other
            way round.
    """
    import torch
    from rich.console import Console

    from data_select_gym.agents import save_model
    from data_select_gym.agents.learned.saved import check_target
    from data_select_gym.arguments import check_count
    from data_select_gym.training.checkpoints import Checkpoints

    if parsed.threads is not None:
        torch.set_num_threads(check_count("threads", parsed.threads))
    target = check_target(parsed.out)
    checkpoints = Checkpoints(target.with_suffix(".checkpoints"), minutes=parsed.checkpoint_minutes)
    if parsed.resume != bool(checkpoints.paths()):
        there = "no checkpoints" if parsed.resume else "checkpoints of a training that was interrupted"
        needed = "leave --resume out" if parsed.resume else "use --resume, or remove them"
        raise ValueError(f"{str(checkpoints.folder)!r} holds {there}; {needed}")
    console = Console()
    try:
        model = learn(parsed, checkpoints, console)
    except KeyboardInterrupt:
        resumable = bool(checkpoints.paths())
        print_plain(
            console, "Stopped; resume with the same command and --resume" if resumable else "Stopped; nothing was saved"
        )
        return 130
    save_model(model, target)
    checkpoints.clear()
    print_plain(
        console,
        f"Saved as {target}; evaluate it with: data-select-gym evaluate --env {parsed.env} --policy {target}",
    )
    return 0


def learn(parsed: argparse.Namespace, checkpoints: Checkpoints, console: Console) -> BaseAlgorithm:
    """Let the agent learn, and show how far it is.

    Raises:
        ValueError: an option is out of its range.
        KeyboardInterrupt: it was interrupted.
    """
    from rich.progress import Progress

    from data_select_gym.agents import pretrain
    from data_select_gym.experiments.progress import ProgressLines

    options = environment_options(parsed)
    for name in OWN_OPTIONS & options.keys():
        raise ValueError(f"--env-option {name}={options[name]!r}: the command sets {name} by itself; leave it out")
    ratio = 0.5 if parsed.keep_ratio is None else parsed.keep_ratio
    budget = {"keep_ratio": ratio} if parsed.cost is None else {"cost": parsed.cost}
    with Progress(console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"{parsed.agent}, runs", total=parsed.runs)
        lines = None if console.is_terminal else ProgressLines(parsed.runs)

        def advance(number: int, share: float) -> None:
            progress.update(bar, completed=number - 1 + share)
            if lines is not None:
                lines.report(number - 1 + share, f"{parsed.agent} learns from run {number}")

        def report_run(number: int, info: dict[str, Any]) -> None:
            figures = ", ".join(f"{name} {value:.4f}" for name, value in info["eval"].items())
            print_plain(console, f"run {number}: return {info['episode']['r']:.3f}, cost {info['cost']:.3f}, {figures}")

        return pretrain(
            parsed.agent,
            parsed.env,
            runs=parsed.runs,
            seed=parsed.seed,
            on_run=report_run,
            on_pool=advance,
            tensorboard_log=parsed.tensorboard,
            checkpoints=checkpoints,
            **budget,
            **options,
        )
