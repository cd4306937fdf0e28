"""Extra forward passes over the validation set during a run: what they cost and what they give."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from data_select_gym.signals import alignment, last_layer_gradient
from data_select_gym.training import RunConfig, TrainingRun
from data_select_gym.training.plan import FORWARD_COST

from .small_runs import POOL, begun, keep_all, keep_none, small_task, tensors

# Two pools of 12 an epoch, four epochs, the last of them annealing; a batch of the probe has max(2, round(12 / 8)) = 2.
PROBED, FULL = 2, 2 * 4 * POOL
ALIGNED = RunConfig(pool_size=POOL, device="cpu", record={"alignment"})


def finish(run: TrainingRun) -> TrainingRun:
    while not run.done:
        run.step(keep_all(run))
    return run


def test_alignment_costs_a_small_forward_pass_before_each_pool_up_to_the_annealing() -> None:
    assert finish(begun(record={"alignment"})).cost == pytest.approx(1 + FORWARD_COST * PROBED * 6 / FULL)


def test_the_validation_gain_costs_two_small_forward_passes_a_step() -> None:
    assert finish(begun(record={"validation_gain"})).cost == pytest.approx(1 + FORWARD_COST * PROBED * 2 * 4 / FULL)


def test_a_run_that_asks_for_neither_takes_no_extra_forward_pass() -> None:
    run = begun()
    assert finish(run).cost == 1
    assert run.step is not None and "alignment" not in run.ledger.columns


@pytest.mark.parametrize("settings", [{"record": {"alignment"}}, {"record": {"validation_gain"}}])
def test_extra_forward_passes_do_not_change_the_training(settings: dict[str, Any]) -> None:
    plain, probing = finish(begun()), finish(begun(**settings))
    for one, other in zip(plain.model.parameters(), probing.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_first_gradient_is_that_of_a_batch_of_the_validation_set_before_the_pool() -> None:
    task = small_task(validation=tensors(2, 1))
    run = TrainingRun(task, replace(ALIGNED, warmup_epochs=0), seed=0)
    model = deepcopy(run.model)
    run.step(keep_all(run))
    inputs, labels = tensors(2, 1).tensors
    F.cross_entropy(model(inputs), labels).backward()
    head = list(model.modules())[-1]
    assert run.probe.gradient is not None
    torch.testing.assert_close(run.probe.gradient, head.weight.grad, rtol=1e-4, atol=1e-6)


def test_later_gradients_move_a_tenth_of_the_way() -> None:
    run = TrainingRun(small_task(validation=tensors(2, 1)), ALIGNED, seed=0)
    batch = torch.arange(2)
    first = run.probe.turn(run.probe.eval_forward(batch, embed=True)).clone()
    with torch.no_grad():
        run.model[-1].weight.mul_(2)  # type: ignore[index, union-attr]
    signals = run.probe.eval_forward(batch, embed=True)
    torch.testing.assert_close(run.probe.turn(signals), 0.9 * first + 0.1 * last_layer_gradient(signals))


def test_a_pass_over_the_validation_set_shows_each_sample_once() -> None:
    probe = begun(record={"alignment"}).probe
    passes = [probe.next_batch() for _ in range(3 - len(probe.order) % 3)]
    while len(probe.order):
        passes.append(probe.next_batch())
    whole = torch.cat([probe.next_batch() for _ in range(3)])
    assert sorted(whole.tolist()) == list(range(6))


def test_the_alignment_of_the_trained_is_recorded_and_that_of_the_dropped_stays() -> None:
    run = begun(record={"alignment"})
    weights = torch.zeros(POOL)
    weights[:4] = 1
    record = run.step(weights)
    now = run.ledger.columns["alignment"][record.indices]
    assert record.fresh.alignment is not None and record.recorded.alignment is not None
    assert torch.equal(now, record.fresh.alignment)
    assert torch.equal(now[4:], record.recorded.alignment[4:])
    assert not torch.equal(now[:4], record.recorded.alignment[:4])


def test_an_extra_forward_pass_over_a_pool_records_the_alignment_with_the_present_gradient() -> None:
    run = TrainingRun(small_task(), replace(ALIGNED, warmup_epochs=0), seed=0)
    signals = run.read_pool(fresh=True)
    assert run.probe.gradient is not None
    inputs, labels = (tensor[run.pool] for tensor in run.task.train.tensors)  # type: ignore[attr-defined]
    run.model.eval()
    _, expected = run.task.objective(run.model, inputs, labels, embed=True)
    torch.testing.assert_close(signals.alignment, alignment(expected, run.probe.gradient))
    assert run.costs.forwarded == POOL + PROBED


def test_the_validation_gain_is_the_fall_of_the_loss_on_the_same_batch() -> None:
    run = begun(small_task(validation=tensors(2, 1)), record={"validation_gain"})
    before = deepcopy(run.model)
    record = run.step(keep_all(run))
    inputs, labels = tensors(2, 1).tensors
    with torch.no_grad():
        fall = F.cross_entropy(before(inputs), labels) - F.cross_entropy(run.model(inputs), labels)
    assert record.validation_gain is not None
    assert record.validation_gain.item() == pytest.approx(fall.item(), abs=1e-6)
    assert record.validation_gain.item() != 0


def test_a_step_that_trains_nothing_gains_nothing() -> None:
    record = begun(record={"validation_gain"}).step(keep_none(begun()))
    assert record.validation_gain is not None and record.validation_gain.item() == 0


def test_a_gradient_that_is_not_finite_turns_nothing() -> None:
    run = TrainingRun(small_task(validation=tensors(2, 1)), ALIGNED, seed=0)
    signals = run.probe.eval_forward(torch.arange(2), embed=True)
    assert signals.embedding is not None
    embedding = signals.embedding.clone()
    embedding[1, 0] = torch.nan
    broken = replace(signals, embedding=embedding)
    assert run.probe.turn(broken).tolist() == torch.zeros(3, 5).tolist()
    run.probe.gradient = None
    first = run.probe.turn(signals).clone()
    assert torch.equal(run.probe.turn(broken), first)
    assert torch.equal(run.probe.turn(signals), 0.9 * first + 0.1 * first)


def test_a_validation_sample_that_is_not_finite_leaves_the_alignment_finite() -> None:
    validation = tensors(6, 1)
    validation.tensors[0][2, 0] = torch.nan
    run = finish(begun(small_task(validation=validation), record={"alignment"}))
    alignments = run.ledger.columns["alignment"]
    assert alignments.isfinite().all() and alignments.count_nonzero() > POOL
