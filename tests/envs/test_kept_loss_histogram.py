import math
from typing import Any

import numpy as np
import pytest
import torch

from data_select_gym.envs.kept_loss_histogram import KeptLossHistogram

from .joint_runs import digits, everything, nothing, play

NONE = [0.0] * 10


def tally(*steps: tuple[list[float], list[bool]]) -> list[list[float]]:
    counts = KeptLossHistogram(len(steps), "cpu")
    for loss, kept in steps:
        counts.count(torch.tensor(loss), torch.tensor(kept))
    return counts.thirds()


def share(**tenths: Any) -> list[float]:
    return [tenths.get(f"t{tenth}", 0.0) for tenth in range(10)]


def test_a_loss_is_counted_in_the_tenth_where_it_stands_in_its_pool() -> None:
    # Four losses stand at 1/8, 3/8, 5/8 and 7/8: in the tenths 1, 3, 6 and 8.
    losses = [0.3, 0.1, 9.0, 0.2]
    assert tally((losses, [True, True, True, True])) == [share(t1=0.25, t3=0.25, t6=0.25, t8=0.25), NONE, NONE]
    assert tally((losses, [True, False, True, False])) == [share(t6=0.5, t8=0.5), NONE, NONE]
    assert tally((losses, [False] * 4)) == [NONE, NONE, NONE]
    assert tally() == [NONE, NONE, NONE]


def test_twenty_losses_fill_the_tenths_in_pairs() -> None:
    losses = torch.randperm(20, generator=torch.Generator().manual_seed(0)).tolist()
    kept = [loss >= 10 for loss in losses]
    first, *_ = tally(([float(loss) for loss in losses], kept))
    assert first == pytest.approx([0.0] * 5 + [0.2] * 5)


def test_equal_losses_stand_in_the_middle_and_unknown_ones_at_the_end() -> None:
    assert tally(([1.0, 1.0], [True, False]))[0] == share(t5=1.0)
    # The two at the end stand at (2 + 4) / 8.
    assert tally(([1.0, math.nan, 2.0, math.inf], [False, True, False, True]))[0] == share(t7=1.0)


def test_thirds_weigh_each_kept_sample_the_same() -> None:
    low, high, both, neither = [True, False], [False, True], [True, True], [False, False]
    losses = [0.0, 1.0]  # in the tenths 2 and 7
    assert tally((losses, low), (losses, both), (losses, neither), (losses, high)) == [
        share(t2=pytest.approx(2 / 3), t7=pytest.approx(1 / 3)),
        NONE,
        share(t7=1.0),
    ]


def test_a_run_tells_which_losses_it_kept() -> None:
    env = digits()
    assert env.kept_by_loss == [NONE, NONE, NONE]
    env.reset(seed=0)
    while not env.run.done:
        loss = env.signals.loss.numpy()
        env.step(loss > np.median(loss))
    # The loss at place i of 128 stands at (i + 1/2) / 128: of the upper 64, 13 are below 0.6, 13 others below 0.7, ...
    upper = [count / 64 for count in (0, 0, 0, 0, 0, 13, 13, 12, 13, 13)]
    assert env.kept_by_loss == [pytest.approx(upper)] * 3
    play(env, choose=nothing)
    assert env.kept_by_loss == [NONE, NONE, NONE]
    play(env, choose=everything)
    assert [sum(third) for third in env.kept_by_loss] == pytest.approx([1.0] * 3)
