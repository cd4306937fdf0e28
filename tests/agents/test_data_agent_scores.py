from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

from data_select_gym.agents import DataAgent

from .data_agents import PAPER_ENV, STEPS, Watched, slots


def quality_by_hand(losses: NDArray[Any], uncertainty: NDArray[Any]) -> NDArray[Any]:
    clipped = np.minimum(losses, np.quantile(losses, 0.95))
    difficulty = (clipped - clipped.min()) / (clipped.max() - clipped.min() + 1e-8)
    weight = difficulty.var() / (difficulty.var() + uncertainty.var() + 1e-8)
    return weight * difficulty + (1 - weight) * uncertainty


@pytest.mark.parametrize("keep_ratio", [0.25, 0.5])
def test_the_best_share_of_scores_is_kept_and_paid_its_score_times_its_quality(keep_ratio: float) -> None:
    env = slots(64, **PAPER_ENV, keep_ratio=keep_ratio)
    env.seed(0)
    env.reset()
    scores = np.random.default_rng(0).random((64, 1), dtype=np.float32)
    _, rewards, _, infos = env.step(scores)
    record = env.env.record
    assert record is not None
    best = np.argsort(-scores[:, 0])[: int(64 * keep_ratio)]
    assert np.flatnonzero(infos[-1]["kept"]).tolist() == sorted(best)
    expected = np.zeros(64)
    for positions in (part.numpy() for part in record.minibatches):
        quality = quality_by_hand(record.fresh.loss[positions].numpy(), record.fresh.uncertainty[positions].numpy())
        expected[positions] = scores[positions, 0] * quality
    assert rewards == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert (rewards > 0).sum() > 0.8 * len(best)


def test_scores_at_which_the_agent_learns_are_those_that_it_is_paid_for() -> None:
    paid: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def own_score(outcome: Any) -> Tensor:
        return outcome.action

    model = DataAgent(slots(reward=own_score, keep_ratio=1.0), device="cpu", seed=0, n_epochs=1)
    watch = Watched(lambda self: paid.append((self.locals["actions"][:, 0], self.locals["rewards"])))
    model.learn_run(callback=watch)
    assert len(paid) == STEPS
    for actions, rewards in paid:
        assert rewards == pytest.approx(actions)
