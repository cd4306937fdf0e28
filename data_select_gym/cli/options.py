"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from data_select_gym.arguments import read_value

# Options that are passed to the environment under their own names.
NAMED = ("pool_size", "epochs", "data_dir", "model", "device", "profile")


def add_environment(parser: argparse.ArgumentParser) -> None:
    """The options of the environment."""
    parser.add_argument("--env", default="DataSelect/Digits-v0", metavar="ID", help="id of the environment")
    parser.add_argument(
        "--pool-size", type=int, metavar="P", help="candidates at a step; eight minibatches if left out"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs of the recipe; the task's default if left out")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with the data, where the environment reads files")
    parser.add_argument("--model", metavar="NAME", help="name of the model, where the environment offers several")
    parser.add_argument("--device", metavar="DEVICE", help="'cpu', 'cuda', ...; if left out, a GPU if there is one")
    parser.add_argument(
        "--env-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other argument of the environment; the value is JSON, Python or plain text; may be repeated",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="PyTorch's threads on the CPU; PyTorch's choice if left out"
    )


def share(text: str) -> float:
    """A number.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid share value: {text!r}; a number such as 0.5 is needed") from None


def shares(text: str) -> tuple[float, ...]:
    """Numbers separated by commas.

    Raises:
        ArgumentTypeError: one is none.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"invalid shares value: {text!r}; a number such as 0.5 is needed, or several separated by commas, such as "
            "0.3,0.5"
        ) from None


def add_budget(parser: argparse.ArgumentParser, read: Callable[[str], Any], metavar: str, several: str = "") -> None:
    """The options that say how much a run may train on; only one may be given."""
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument(
        "--keep-ratio",
        type=read,
        metavar=metavar,
        help=f"share of candidates to keep, in (0, 1]{several}; 0.5 if --cost is left out too",
    )
    budget.add_argument(
        "--cost",
        type=read,
        metavar=metavar,
        help=f"cost of a run over the cost of one on all data{several}; each policy's keep ratio then follows from its "
        "warm-up, annealing and extra forward passes",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """The options that say where the results go, and what belongs to them."""
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="folder for tables, pictures and curves; finished runs in it are not repeated. A new one in runs/ if left "
        "out",
    )
    parser.add_argument(
        "--profile",
        action="store_const",
        const=True,
        help="also write a trace of ten steps of each run, beside its curves, for TensorBoard's profiler",
    )


def add_checkpoints(parser: argparse.ArgumentParser) -> None:
    """The option that says how often a checkpoint is written."""
    parser.add_argument(
        "--checkpoint-minutes",
        type=float,
        default=10.0,
        metavar="N",
        help="minutes between checkpoints of a run; one is also written on SIGINT and SIGTERM",
    )


def environment_options(parsed: argparse.Namespace) -> dict[str, Any]:
    """The arguments of the environment that were given.

    Raises:
        ValueError: an ``--env-option`` is not of the form NAME=VALUE.
    """
    options = {name: getattr(parsed, name, None) for name in NAMED}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for option in getattr(parsed, "env_option", []):
        name, separator, value = option.partition("=")
        if not name or not separator:
            raise ValueError(f"--env-option={option!r} is not of the form NAME=VALUE")
        given[name.replace("-", "_")] = read_value(value)
    return given


def new_folder(env: str) -> Path:
    """A folder in ``runs/`` that is named after the environment and the time."""
    task = env.rpartition("/")[2].removesuffix("-v0").lower()
    return Path("runs") / f"{task}-{datetime.now():%Y%m%d-%H%M%S}"
