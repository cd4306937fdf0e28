from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from data_select_gym.agents import make_policy, run_policy

from .policy_runs import STEPS, P, digits


class Takes:
    """Keeps wrong and right samples of each pool as many as the numbers of its turn say."""

    def __init__(self, *numbers: tuple[int, int]) -> None:
        self.numbers: Iterator[tuple[int, int]] = iter(numbers)

    def start(self, env: Any) -> None:
        self.env = env

    def select(self, observation: NDArray[np.float32]) -> NDArray[np.bool_]:
        wrong = self.env.task.mislabelled[self.env.run.pool].numpy()
        mask = np.zeros(P, bool)
        for among, count in zip((wrong, ~wrong), next(self.numbers), strict=True):
            mask[among.nonzero()[0][:count]] = True
        return mask


def shares(*numbers: tuple[int, int]) -> list[float | None]:
    result = run_policy(make_policy(Takes(*numbers)), digits(label_noise=0.5), 0)
    return [result.mislabelled, result.mislabelled_late]


def test_the_share_mislabelled_counts_each_kept_sample_once() -> None:
    # 15 * 2 + 5 * 6 wrong of 15 * 4 + 5 * 16 kept; the last quarter of 20 steps is the last five.
    assert shares(*[(2, 2)] * 15, *[(6, 10)] * 5) == pytest.approx([60 / 140, 30 / 80])
    assert STEPS == 20


def test_the_share_mislabelled_is_zero_where_nothing_is_kept() -> None:
    assert shares(*[(2, 2)] * 15, *[(0, 0)] * 5) == [0.5, 0.0]
    assert shares(*[(0, 0)] * 20) == [0.0, 0.0]


def test_it_is_not_told_where_the_true_labels_are_not_known() -> None:
    result = run_policy(make_policy("random"), digits(), 0)
    assert (result.mislabelled, result.mislabelled_late) == (None, None)


@pytest.mark.slow
def test_the_easy_ones_are_right_and_the_hard_ones_wrong_and_a_random_share_is_as_the_pool() -> None:
    torch.manual_seed(0)
    options = {"epochs": 8, "label_noise": 0.4, "batch_size": 16}
    low, high, any_ = (
        run_policy(make_policy(name), digits(**options), 0) for name in ("low-loss", "top-loss", "random")
    )
    assert low.mislabelled is not None and high.mislabelled is not None and low.mislabelled_late is not None
    assert low.mislabelled_late < low.mislabelled < 0.25
    assert high.mislabelled > 0.55
    assert any_.mislabelled == pytest.approx(0.4, abs=0.03)
