"""Minibatches of samples of like length."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from data_select_gym.tasks import Classification, Recipe, Task
from data_select_gym.tasks.protocol import Measured
from data_select_gym.training import RunConfig, TrainingRun
from data_select_gym.training.pools import cut

from .small_runs import small_task


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=2, max_size=60), st.integers(2, 8), st.integers(0, 99))
def test_each_kept_sample_is_in_one_minibatch_with_samples_of_like_length(
    lengths: list[int], batch_size: int, seed: int
) -> None:
    positions = torch.randperm(100, generator=seeded(seed))[: len(lengths)]
    parts = cut(positions, batch_size, torch.tensor(lengths), seeded(seed))
    assert sorted(torch.cat(parts).tolist()) == sorted(positions.tolist())
    of = dict(zip(positions.tolist(), lengths, strict=True))
    ranges = sorted((min(of[p] for p in part.tolist()), max(of[p] for p in part.tolist())) for part in parts)
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))
    # As many minibatches, of the same sizes, as without lengths.
    sizes = sorted(len(part) for part in cut(positions, batch_size, None, seeded(seed)))
    assert sorted(len(part) for part in parts) == sizes


def test_short_minibatches_do_not_always_come_first() -> None:
    lengths = torch.arange(40)
    firsts = [int(cut(torch.arange(40), 4, lengths, seeded(seed))[0].min()) for seed in range(8)]
    assert len(set(firsts)) > 4


def test_samples_of_the_same_length_are_shuffled() -> None:
    parts = {tuple(cut(torch.arange(8), 4, torch.ones(8), seeded(seed))[0].sort().values.tolist()) for seed in range(8)}
    assert len(parts) > 4


class Sized(TensorDataset, Measured):
    """Rows that say how long they are."""

    def __init__(self, *tensors: torch.Tensor, lengths: torch.Tensor) -> None:
        super().__init__(*tensors)
        self.lengths = lengths


def test_a_run_trains_and_evaluates_by_length() -> None:
    inputs = torch.randn(32, 3, generator=seeded(0))
    lengths = torch.randperm(32, generator=seeded(1))
    dataset = Sized(inputs, inputs.argmax(1), lengths=lengths)
    seen: list[Any] = []

    class Noting(nn.Linear):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            if not self.training and len(rows) > 2:
                seen.append([int(lengths[(inputs == row).all(1).nonzero()[0, 0]]) for row in rows])
            return super().forward(rows)

    recipe = Recipe(epochs=3, batch_size=4, optimizer=lambda p: torch.optim.SGD(p, lr=0.1), evaluation_batch_size=8)
    task = Task("sized", dataset, lambda: Noting(3, 3), Classification(), recipe, validation=dataset)
    run = TrainingRun(task, RunConfig(pool_size=16, device="cpu"), seed=0)
    run.warm_up()
    assert [length for batch in seen[:4] for length in batch] == list(range(32))
    record = run.step(torch.ones(16))
    spans = [lengths[record.indices[part]] for part in record.minibatches]
    assert len(spans) == 4 and sorted(torch.cat(spans).tolist()) != torch.cat(spans).tolist()
    in_order = sorted(spans, key=lambda part: int(part.min()))
    assert torch.cat([part.sort().values for part in in_order]).diff().min() > 0
    assert torch.equal(record.fresh.loss[record.minibatches[0]].isfinite(), torch.ones(4, dtype=torch.bool))


@pytest.mark.parametrize("largest", [1e-3, None])
def test_the_gradient_is_scaled_down_to_its_largest_norm(largest: float | None) -> None:
    run = TrainingRun(small_task(max_grad_norm=largest), RunConfig(device="cpu", pool_size=12), seed=0)
    before = [parameter.detach().clone() for parameter in run.model.parameters()]
    run.trainer.update(
        *next(iter(run.loader.source.batches([torch.arange(4)]))), weights=torch.ones(4), progress=0, embed=False
    )
    moved = torch.cat([(a - b).flatten() for a, b in zip(run.model.parameters(), before, strict=True)]).norm().item()
    if largest is None:
        assert moved > 0.01
    else:
        assert moved == pytest.approx(0.5 * largest, rel=1e-3)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "1"])
def test_a_largest_norm_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_grad_norm=.* is not a finite number above 0$"):
        small_task(max_grad_norm=value)
