from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data_select_gym.training import RunConfig, TrainingRun

from .small_runs import POOL, begun, finished, noisy_task, small_task, state


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(POOL - 1), r"^weights has shape \(11,\); one for each of the pool's 12 is needed$"),
        (torch.ones(POOL, 1), r"^weights has shape \(12, 1\);"),
        (torch.tensor([1.0, -0.5] * 6), r"^weights\[1\]=-0.5; each must be finite and at least 0$"),
        (torch.tensor([1.0, 1.0, torch.nan] * 4), r"^weights\[2\]=nan;"),
        (torch.tensor([torch.inf, 1.0] * 6), r"^weights\[0\]=inf;"),
    ],
)
def test_wrong_weights_are_refused_and_change_nothing(weights: Tensor, message: str) -> None:
    run, other = begun(noisy_task()), begun(noisy_task())
    before = state(run)
    with pytest.raises(ValueError, match=message):
        run.step(weights)
    assert state(run) == before
    assert state(finished(run)) == state(finished(other))


@pytest.mark.parametrize(
    "make_model",
    [lambda: nn.Linear(3, 1), lambda: nn.Unflatten(1, (3, 1)), lambda: nn.GRU(3, 3)],
    ids=["one logit", "three dimensions", "two outputs"],
)
def test_a_model_that_does_not_fit_the_objective_is_refused_at_once(make_model: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"^the model's output is .*; classification needs"):
        TrainingRun(small_task(make_model=make_model), RunConfig(device="cpu"), seed=0)


def test_whole_numbers_may_be_of_numpy() -> None:
    run = begun(seed=np.int64(2), pool_size=np.int32(5), warmup_epochs=np.uint8(1))  # type: ignore[arg-type]
    assert state(finished(run)) == state(finished(begun(seed=2, pool_size=5)))
