from typing import Any

import pytest
import torch
from torch import Tensor

from data_select_gym.experiments.catalogue import catalogue
from data_select_gym.rewards import REWARDS, MinibatchScore, StepOutcome, difficulty, make_reward


def gentle(outcome: StepOutcome) -> Tensor:
    """What is kept, gently.

    And more.
    """
    return torch.ones(len(outcome.kept))


def silent(outcome: StepOutcome) -> Tensor:
    return torch.ones(len(outcome.kept))


@pytest.mark.parametrize(
    ("reward", "line"),
    [
        (make_reward(gentle), "What is kept, gently"),
        (make_reward(silent), f"a reward of your own, {__name__}:silent"),
        (
            MinibatchScore(difficulty),
            "difficulty of what is kept, judged against its minibatch, as in Data Agent's paper",
        ),
    ],
)
def test_a_reward_that_is_not_built_in_is_described_by_itself(
    reward: Any, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "mine", reward)
    assert catalogue()["rewards"]["mine"] == line


def test_no_two_rewards_are_described_alike() -> None:
    lines = list(catalogue()["rewards"].values())
    assert len(set(lines)) == len(lines)
    assert catalogue()["rewards"]["minibatch-composite"].startswith(
        "composite of what is kept, judged against its mini"
    )
