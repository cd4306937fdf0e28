"""Shared by the benchmarks: CIFAR-10 from the command line, seconds, spreads, tables, and the line below them."""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data_select_gym.tasks import Task, make_task
from data_select_gym.tasks.data import length, rows_of


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that shows the description as it stands, and what is taken where nothing is given."""
    return argparse.ArgumentParser(description=description, formatter_class=_Shown)


class _Shown(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Both of these."""


def add_cifar10(parser: argparse.ArgumentParser, *, samples: int | None, repeats: str) -> None:
    """Add the arguments of :func:`cifar10`, ``--device``, and ``--repeats``, of which the help says ``repeats``."""
    parser.add_argument("--data-dir", required=True, help="folder with CIFAR-10")
    parser.add_argument("--model", default="small-cnn")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--batch-size", type=int, default=128, help="an eighth of a pool")
    parser.add_argument("--samples", type=int, default=samples, help="training images, the first ones; all if None")
    parser.add_argument("--repeats", type=int, default=5, help=repeats)
    parser.add_argument("--device", default="auto")


def cifar10(arguments: argparse.Namespace, **options: Any) -> Task:
    """The task that the arguments describe."""
    whole = make_task(
        "cifar10",
        data_dir=arguments.data_dir,
        model=arguments.model,
        precision=arguments.precision,
        batch_size=arguments.batch_size,
        **options,
    )
    return whole if arguments.samples is None else first(whole, arguments.samples)


def first(task: Task, samples: int) -> Task:
    """The same with the first so many training images."""
    return replace(task, train=rows_of(task.train, torch.arange(min(samples, length(task.train)))), train_rows=None)


def moment(device: torch.device) -> float:
    """The time in seconds, after a GPU has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def spread(values: Sequence[float], form: str = ".3f") -> str:
    """The median, and in brackets the lowest and the highest; a dash for infinite values."""
    shown = (statistics.median(values), min(values), max(values))
    middle, low, high = (f"{value:{form}}" if math.isfinite(value) else "-" for value in shown)
    return middle if low == high else f"{middle} ({low} to {high})"


def print_head(words: Sequence[str], figures: Sequence[str]) -> None:
    """Print the head of a Markdown table: text columns, then number columns."""
    print_row(*words, *figures)
    print(f"|{' --- |' * len(words)}{' ---: |' * len(figures)}")


def print_row(*cells: object) -> None:
    """Print a row of a table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def print_settings(arguments: argparse.Namespace, device: torch.device) -> None:
    """Print the line below the tables: the arguments and the machine."""
    given = {name: value for name, value in vars(arguments).items() if name not in ("data_dir", "device")}
    asked = ", ".join(f"{name.replace('_', ' ')} {_told(value)}" for name, value in given.items() if value is not None)
    threads = torch.get_num_threads()
    where = f"{device} ({processor(device)}), {threads} thread" + "s" * (threads > 1)
    versions = f"torch {torch.__version__}, numpy {np.__version__}, Python {platform.python_version()}"
    print(f"\n{Path(sys.argv[0]).name}: {asked}; {where}; {versions}")


def _told(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def processor(device: torch.device) -> str:
    """Name of the machine's processor, and of the GPU if that is the device."""
    name = platform.processor() or platform.machine()
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        lines = [line.partition(":") for line in listed.read_text().splitlines()]
        name = next((value.strip() for key, _, value in lines if key.strip() == "model name"), name)
    return f"{torch.cuda.get_device_name(device)}, {name}" if device.type == "cuda" else name
