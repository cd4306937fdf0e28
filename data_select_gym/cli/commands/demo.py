"""``data-select-gym demo``."""

from __future__ import annotations

import argparse

from data_select_gym.cli.comparing import run_comparison
from data_select_gym.cli.options import add_output
from data_select_gym.cli.registry import register_command

POLICIES = "full,full-equal-cost,random,top-loss,infobatch,data-agent-paper,data-agent,ppo,dqn"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where the results go; everything else is fixed."""
    add_output(parser)


@register_command(
    "demo",
    description="compare nine policies on bundled scans of digits, in under two minutes",
    details="Compare nine policies, hand-crafted and learned, on scikit-learn's scans of handwritten digits over three "
    "seeds. It needs no data and no GPU.",
    add_options=add_options,
)
def run_demo(parsed: argparse.Namespace) -> int:
    """Run the demo; returns what ``compare`` does."""
    fixed = {"env": "DataSelect/Digits-v0", "policies": POLICIES, "keep_ratio": (0.5,), "cost": None}
    return run_comparison(argparse.Namespace(**vars(parsed), **fixed, seeds=3, jobs=1, threads=1))
