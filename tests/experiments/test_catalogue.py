from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from data_select_gym.experiments.catalogue import catalogue
from data_select_gym.rewards import (
    KeptScore,
    MinibatchScore,
    PricedScore,
    StepOutcome,
    difficulty,
    register_reward,
)
from data_select_gym.signals import Signals


def gentle(outcome: StepOutcome) -> Tensor:
    """What is kept, gently.

    And more.
    """
    return torch.ones(len(outcome.kept))


def silent(outcome: StepOutcome) -> Tensor:
    return torch.ones(len(outcome.kept))


def half(reference: Signals) -> Any:
    return lambda signals: (torch.full_like(signals.loss, 0.5), {})


@pytest.mark.parametrize(
    ("reward", "line"),
    [
        (gentle, "What is kept, gently"),
        (partial(gentle), "What is kept, gently"),
        (silent, f"a custom reward, {__name__}:silent"),
        (partial(silent), f"a custom reward, {__name__}:silent"),
        (KeptScore(half), "half of what is kept, judged against the pool"),
        (PricedScore(half), "rank of the half of what is kept among the pool's, less the price"),
        (
            MinibatchScore(difficulty),
            "difficulty of what is kept, judged against its minibatch, as in Data Agent's paper",
        ),
    ],
)
def test_a_reward_that_is_not_built_in_is_described_by_itself(reward: Any, line: str) -> None:
    register_reward("mine")(reward)
    assert catalogue()["rewards"]["mine"] == line


def test_no_two_rewards_are_described_alike() -> None:
    lines = list(catalogue()["rewards"].values())
    assert len(set(lines)) == len(lines)
    assert catalogue()["rewards"]["minibatch-composite"].startswith(
        "composite of what is kept, judged against its mini"
    )


def test_regimes_are_listed_with_their_values() -> None:
    regimes = catalogue()["regimes"]
    assert {"clean", "pair-noise:p", "long-tail:f", "human-noise:FILE"} <= regimes.keys()
    assert regimes["clean"].startswith("Nothing changes")
