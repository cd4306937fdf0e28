"""The commands ``train`` and ``evaluate``: policies that learn over many runs, and are then frozen and judged."""

from __future__ import annotations

import argparse
from typing import Any

from data_select_gym.cli.comparing import add_repetitions, run_comparison
from data_select_gym.cli.options import add_budget, add_checkpoints, add_environment, add_output, environment_options
from data_select_gym.cli.parser import HelpFormatter

# What is handed to the training by options of its own.
OWN_OPTIONS = {"agent", "env", "runs", "seed", "on_run", "on_pool", "tensorboard_log", "checkpoints"} | {
    "keep_ratio",
    "cost",
}


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
    train = commands.add_parser(
        "train",
        help="let an agent learn over many runs, and save it",
        description="Let an agent learn over many training runs, each with initial weights and pools of its own, and "
        "save it. It is then a policy for 'evaluate' and 'compare', in any environment that has its features.",
        epilog="Example: data-select-gym train --env DataSelect/Digits-v0 --agent ppo --runs 20 --out ppo.zip",
        formatter_class=HelpFormatter,
    )
    train.set_defaults(run_jobs=run_training)
    train.add_argument(
        "--agent",
        default="ppo",
        metavar="NAME",
        help="a learned policy of 'data-select-gym list', maybe with options behind it as in 'ppo:n_steps=5'",
    )
    train.add_argument("--runs", type=int, default=20, metavar="N", help="how many runs it learns from")
    add_budget(train, float, "SHARE")
    train.add_argument(
        "--seed",
        type=int,
        default=1_000_000,
        metavar="N",
        help="of the agent and of all runs; far from those of comparisons unless you choose otherwise",
    )
    train.add_argument("--out", required=True, metavar="FILE", help="file for the agent, ending with .zip")
    train.add_argument(
        "--resume", action="store_true", help="go on with a training that was interrupted, given the same options"
    )
    train.add_argument("--tensorboard", metavar="DIR", help="folder for curves of what is learned; none if left out")
    add_environment(train)
    add_checkpoints(train)
    evaluate = commands.add_parser(
        "evaluate",
        help="judge a policy over whole runs",
        description="Let one policy, such as a file that 'train' wrote, drive one training run for each seed. "
        "A file is unpickled: evaluate only files whose origin you trust.",
        epilog="Example: data-select-gym evaluate --env DataSelect/CIFAR10-v0 --data-dir cifar10 --policy ppo.zip",
        formatter_class=HelpFormatter,
    )
    evaluate.set_defaults(run_jobs=run_evaluation)
    evaluate.add_argument(
        "--policy",
        required=True,
        metavar="NAME",
        help="file of an agent; or name of a policy, or 'module:object', maybe with options as in 'ppo:n_steps=5'",
    )
    add_repetitions(evaluate)
    add_environment(evaluate)
    add_output(evaluate)


def run_training(parsed: argparse.Namespace) -> int:
    """Carry out ``train``; returns 130 if it was interrupted, otherwise 0.

    Raises:
        ValueError: an option is out of its range, or there are checkpoints and none are asked for, or the other way
            round.
    """
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from data_select_gym.agents import pretrain, save_model
    from data_select_gym.agents.learned.saved import check_target
    from data_select_gym.arguments import check_count
    from data_select_gym.experiments.progress import ProgressLines
    from data_select_gym.training.checkpoints import Checkpoints

    if parsed.threads is not None:
        torch.set_num_threads(check_count("threads", parsed.threads))
    target = check_target(parsed.out)
    checkpoints = Checkpoints(target.with_suffix(".checkpoints"), minutes=parsed.checkpoint_minutes)
    if parsed.resume != bool(checkpoints.paths()):
        there = "no checkpoints" if parsed.resume else "checkpoints of a training that was interrupted"
        needed = "leave --resume out" if parsed.resume else "go on with --resume, or remove them"
        raise ValueError(f"{str(checkpoints.folder)!r} holds {there}; {needed}")
    options = environment_options(parsed)
    for name in OWN_OPTIONS & options.keys():
        raise ValueError(f"--env-option {name}={options[name]!r}: the command sets {name} by itself; leave it out")
    ratio = 0.5 if parsed.keep_ratio is None else parsed.keep_ratio
    budget = {"keep_ratio": ratio} if parsed.cost is None else {"cost": parsed.cost}
    console = Console()

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, markup=False, highlight=False)

    with Progress(console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"{parsed.agent}, runs", total=parsed.runs)
        lines = None if console.is_terminal else ProgressLines(parsed.runs)

        def advance(number: int, share: float) -> None:
            progress.update(bar, completed=number - 1 + share)
            if lines is not None:
                lines.tell(number - 1 + share, f"{parsed.agent} learns from run {number}")

        def tell(number: int, info: dict[str, Any]) -> None:
            figures = ", ".join(f"{name} {value:.4f}" for name, value in info["eval"].items())
            say(f"run {number}: return {info['episode']['r']:.3f}, cost {info['cost']:.3f}, {figures}")

        try:
            model = pretrain(
                parsed.agent,
                parsed.env,
                runs=parsed.runs,
                seed=parsed.seed,
                on_run=tell,
                on_pool=advance,
                tensorboard_log=parsed.tensorboard,
                checkpoints=checkpoints,
                **budget,
                **options,
            )
        except KeyboardInterrupt:
            say(
                "Stopped; the same command with --resume goes on"
                if checkpoints.paths()
                else "Stopped; nothing was saved"
            )
            return 130
    save_model(model, target)
    checkpoints.clear()
    say(f"Saved as {target}; judge it with: data-select-gym evaluate --env {parsed.env} --policy {target}")
    return 0


def run_evaluation(parsed: argparse.Namespace) -> int:
    """Carry out ``evaluate``: a comparison of a single policy."""
    parsed.policies = parsed.policy
    return run_comparison(parsed)
