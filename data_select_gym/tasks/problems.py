"""What may be known to be wrong with a training sample, in words for tables and pictures."""

from __future__ import annotations

from dataclasses import dataclass

from data_select_gym.arguments import check_kind
from data_select_gym.phase_timer import PHASES


@dataclass(frozen=True)
class Problem:
    """A problem that samples may have.

    Attributes:
        words: what such a sample is.
        short: a head for a narrow column.
        meaning: of the share of such samples, a sentence.
    """

    words: str
    short: str
    meaning: str


PROBLEMS = {
    "mislabelled": Problem("mislabelled", "wrong", "Share of the kept samples whose label is wrong."),
    "duplicated": Problem("duplicated", "copies", "Share of the kept samples that are copies of another one."),
    "off_target": Problem("off-target", "off", "Share of the kept samples that come from elsewhere."),
    "corrupted": Problem("corrupted", "corrupt", "Share of the kept samples whose input is corrupted."),
}

# What infos, curves and the columns of results have of their own.
RESERVED = {
    *("cost", "epoch", "eval", "indices", "keep_fraction", "kept", "pool_indices", "progress", "regime", "reward"),
    *("reward_terms", "sample_rewards", "skipped", "token_cost", "train_loss"),
    *("TimeLimit.truncated", "episode", "final_info", "final_obs", "terminal_observation"),
    *(
        "agent_seconds",
        "asked_cost",
        "busy",
        "episode_return",
        "jobs",
        "keep_ratio",
        "policy",
        "regime_seed",
        "seconds",
    ),
    *("seed", "steps", "test_quality", "threads", "validation_quality", "worst_class"),
    *(f"seconds_{part}" for part in PHASES),
    *(f"{name}_late" for name in PROBLEMS),
}
# So begin the curves of the terms of a reward.
REWARDS = "reward/"


def check_problem_name(name: str) -> str:
    """Return a name that an info can have beside its own.

    Raises:
        ValueError: it is one that infos or results have of their own.
        TypeError: it is no text.
    """
    if check_kind("name in truth", name, str) in RESERVED or name.startswith(REWARDS):
        raise ValueError(f"truth has the name {name!r}, which infos or results use for something else")
    return name


def find_problem(name: str) -> Problem:
    """The problem of a name, which may be one that only a custom regime knows."""
    return PROBLEMS.get(name) or Problem(name, name, f"Share of the kept samples that are known as {name}.")
