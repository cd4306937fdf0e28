from collections import Counter

import pytest
import torch
from torch import Tensor

from .small_runs import BATCH, POOL, Counted, begun, finished, first, small_task, state, with_dropout


@pytest.mark.parametrize("kept", range(2, POOL + 1))
def test_minibatches_are_as_many_as_the_kept_samples_ask_for_and_of_nearly_equal_size(kept: int) -> None:
    run = begun()
    mask = torch.zeros(POOL, dtype=torch.bool)
    mask[torch.randperm(POOL, generator=torch.Generator().manual_seed(kept))[:kept]] = True
    record = run.step(mask)
    sizes = [len(part) for part in record.minibatches]
    assert len(sizes) == max(1, round(kept / BATCH))
    assert max(sizes) - min(sizes) <= 1
    assert torch.cat(record.minibatches).sort().values.tolist() == mask.nonzero().squeeze(1).tolist()
    assert torch.equal(record.kept, mask)


@pytest.mark.parametrize("batch_size", [2, 3, 100])
def test_no_minibatch_is_too_small_for_batch_normalisation(batch_size: int) -> None:
    for kept in range(2, POOL + 1):
        record = begun(small_task(make_model=with_dropout, batch_size=batch_size)).step(first(kept))
        assert min(len(part) for part in record.minibatches) >= 2


@pytest.mark.parametrize("kept", [0, 1])
def test_fewer_than_two_kept_samples_change_nothing_and_the_run_goes_on(kept: int) -> None:
    run = begun(small_task(make_model=with_dropout))
    before = state(run)
    record = run.step(first(kept))
    after = state(run)
    assert record.minibatches == () and not record.kept.any() and record.train_loss == 0
    assert torch.equal(record.fresh.loss, record.recorded.loss)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"pool_number", "pool"}
    assert run.progress == 3 / 8
    assert finished(run).evaluations[-1].progress == 1


def test_dropped_samples_are_not_opened() -> None:
    dataset = Counted()
    run, resident = begun(small_task(train=dataset)), begun()
    dataset.opened.clear()
    record = run.step(first(5))
    assert dataset.opened == Counter(record.indices[:5].tolist())
    resident.step(first(5))
    assert state(run) == state(resident)


def test_an_augmentation_sees_every_training_batch_and_no_other() -> None:
    seen: list[Tensor] = []

    def augment(inputs: Tensor, generator: torch.Generator) -> Tensor:
        seen.append(inputs)
        return torch.zeros_like(inputs)

    run = begun(small_task(augment=augment))
    run.read_pool(fresh=True)
    run.step(first(4))
    assert [len(inputs) for inputs in seen] == [4] * 7
    # All inputs look alike to the model, so that losses differ by label alone.
    record = run.step(first(2))
    assert record.fresh.confidence[0] == record.fresh.confidence[1]
