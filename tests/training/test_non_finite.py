"""A loss that is not finite is found before the model is updated by it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from data_select_gym.signals import Signals
from data_select_gym.tasks import Classification, Task
from data_select_gym.training import NonFiniteLossError, RunConfig, TrainingRun

from .small_runs import BATCH, POOL, SAMPLES, finished, first, keep_all, perceptron, small_task, state, with_dropout

MODELS = pytest.mark.parametrize("make_model", [perceptron, with_dropout])
SKIPPED = pytest.mark.filterwarnings("ignore:.*minibatches are skipped:RuntimeWarning")


def begin(task: Task | None = None, **settings: Any) -> TrainingRun:
    options = {"pool_size": POOL, "warmup_epochs": 0, "anneal_fraction": 0.0} | settings
    return TrainingRun(task or small_task(), RunConfig(device="cpu", **options), seed=0)


def task_with(samples: Sequence[int], value: float = math.nan, **changes: Any) -> Task:
    """The small task with the inputs of some samples replaced."""
    inputs = torch.randn(SAMPLES, 3, generator=torch.Generator().manual_seed(0))
    labels = inputs.argmax(dim=1)
    inputs[list(samples)] = value
    return small_task(train=TensorDataset(inputs, labels), **changes)


def first_pool() -> list[int]:
    """Indices of the first pool, which depends on the seed alone."""
    return begin().pool.tolist()


class Changed(Classification):
    """Losses with something done to them."""

    def __init__(self, change: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.change = change

    def __call__(self, model: nn.Module, inputs: Tensor, targets: Tensor, *, embed: bool) -> tuple[Tensor, Signals]:
        losses, signals = super().__call__(model, inputs, targets, embed=embed)
        losses = self.change(losses, model(inputs))
        return losses, replace(signals, loss=losses.detach())


@MODELS
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_run_stops_before_the_model_is_updated_and_says_where_it_was(make_model: Any, value: float) -> None:
    wrong = first_pool()[1]
    run = begin(task_with([wrong], value, make_model=make_model, schedule=lambda progress: 0.5))
    before = state(run)
    with pytest.raises(NonFiniteLossError) as caught:
        run.step(first(BATCH))
    samples = f"1 of the 4 losses of a minibatch are not finite, of the training samples {wrong}"
    if make_model is with_dropout:  # whose normalisation spreads it over the minibatch
        assert str(caught.value).startswith("4 of the 4 losses of a minibatch are not finite, of the training samples ")
    else:
        assert str(caught.value).startswith(samples)
    assert str(caught.value).endswith(
        "; epoch 0, pool 0, learning rate 0.25; on_non_finite='skip' would go on without such minibatches"
    )
    assert state(run) == before
    assert isinstance(caught.value, ArithmeticError)


@MODELS
def test_a_run_that_stopped_can_go_on_with_other_samples(make_model: Any) -> None:
    wrong = first_pool()[1]
    run = begin(task_with([wrong], make_model=make_model))
    with pytest.raises(NonFiniteLossError):
        run.step(keep_all(run))
    while not run.done:
        run.step(run.pool != wrong)
    assert all(value.isfinite().all() for value in run.model.state_dict().values())
    assert run.ledger.visits[wrong] == 0


def test_only_the_first_few_samples_are_named() -> None:
    pool = first_pool()
    run = begin(task_with(pool, batch_size=POOL))
    with pytest.raises(
        NonFiniteLossError,
        match=r"^12 of the 12 losses of a minibatch are not finite, of the training samples (\d+, ){8}\.\.\.; epoch 0",
    ):
        run.step(keep_all(run))


@SKIPPED
@MODELS
def test_a_minibatch_that_is_skipped_leaves_nothing_but_its_cost_and_its_count(make_model: Any) -> None:
    wrong = first_pool()[1]
    run = begin(task_with([wrong], make_model=make_model), on_non_finite="skip")
    before = state(run)
    record = run.step(first(BATCH))
    assert not record.kept.any() and record.minibatches == () and record.train_loss == 0
    assert run.skipped == 1 and run.costs.trained == BATCH
    after = state(run)
    for name in before.keys() - {"cost", "pool_number", "pool"}:
        assert after[name] == before[name], name
    assert all(weights.grad is None for weights in run.model.parameters())


@SKIPPED
def test_the_other_minibatches_of_the_pool_are_trained_on() -> None:
    wrong = first_pool()[1]
    run = begin(task_with([wrong]), on_non_finite="skip")
    before = run.read_pool()
    record = run.step(keep_all(run))
    assert [len(part) for part in record.minibatches] == [BATCH, BATCH]
    trained = torch.cat(record.minibatches).sort().values
    assert record.kept.nonzero().squeeze(1).tolist() == trained.tolist() and not record.kept[1]
    assert record.fresh.loss[record.kept].isfinite().all()
    assert torch.equal(record.fresh.loss[~record.kept], before.loss[~record.kept])
    assert record.train_loss == pytest.approx(record.fresh.loss[record.kept].mean().item())
    assert run.ledger.visits.sum() == 2 * BATCH and run.costs.trained == POOL
    assert run.skipped == 1


def test_the_sample_is_named_whichever_minibatch_it_is_in() -> None:
    for wrong in first_pool():
        run = begin(task_with([wrong]), on_non_finite="skip")
        with pytest.warns(RuntimeWarning, match=rf"^1 of the {BATCH} losses .*, of the training samples {wrong}; "):
            run.step(keep_all(run))


def test_the_first_minibatch_that_is_skipped_gives_a_warning_and_no_other_does() -> None:
    pool = first_pool()
    run = begin(task_with(pool), on_non_finite="skip")
    with pytest.warns(RuntimeWarning) as caught:
        run.step(first(BATCH))
        finished(run, keep_all)
    assert len(caught) == 1 and run.skipped > 3
    assert str(caught[0].message).startswith("4 of the 4 losses of a minibatch are not finite, of the training samples")
    assert str(caught[0].message).endswith(
        "; epoch 0, pool 0, learning rate 0.5; this and all later such minibatches are skipped"
    )


@SKIPPED
def test_the_count_goes_on_from_a_checkpoint() -> None:
    task = task_with(first_pool())
    run, resumed = (begin(task, on_non_finite="skip") for _ in range(2))
    run.step(keep_all(run))
    resumed.load_state_dict(run.state_dict())
    assert resumed.skipped == run.skipped == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finished(resumed, keep_all)
    finished(run, keep_all)
    assert resumed.skipped == run.skipped > 3
    assert state(resumed) == state(run)


@pytest.mark.parametrize("on_non_finite", ["stop", "skip"])
def test_where_all_is_finite_the_choice_makes_no_difference(on_non_finite: str) -> None:
    task = small_task(make_model=with_dropout)
    assert state(finished(begin(task, on_non_finite=on_non_finite))) == state(finished(begin(task)))


def test_a_mean_that_overflows_is_found() -> None:
    task = replace(small_task(), objective=Changed(lambda losses, logits: losses * 0 + 2e38))
    run = begin(task)
    before = state(run)
    names = ", ".join(map(str, run.pool[:BATCH].sort().values.tolist()))
    with pytest.raises(
        NonFiniteLossError,
        match=r"^the 4 losses of a minibatch are finite, but not their mean or its gradient; they are of ",
    ) as caught:
        run.step(first(BATCH))
    given = str(caught.value).partition(";")[2].partition(" of ")[2].partition(";")[0].split(", ")
    assert ", ".join(sorted(given, key=int)) == names
    assert state(run) == before


def test_a_gradient_that_is_not_finite_is_found_where_its_norm_is_known() -> None:
    # The root of zero has an infinite slope.
    objective = Changed(lambda losses, logits: losses + (0 * logits.sum(dim=1)).sqrt())
    limited = begin(replace(small_task(max_grad_norm=1.0), objective=objective))
    before = state(limited)
    with pytest.raises(NonFiniteLossError, match="but not their mean or its gradient"):
        limited.step(first(BATCH))
    assert state(limited) == before
    free = begin(replace(small_task(), objective=objective))
    free.step(first(BATCH))
    with pytest.raises(NonFiniteLossError, match="; the model's weights are not finite either; on_non_finite="):
        free.step(first(BATCH))


def test_it_is_found_in_warm_up_and_in_annealing_too() -> None:
    wrong = first_pool()[1]
    with pytest.raises(NonFiniteLossError, match="; epoch 0, pool 0, "):
        begin(task_with([wrong]), warmup_epochs=1).warm_up()
    run = begin(task_with([wrong]), anneal_fraction=0.25)
    with pytest.raises(NonFiniteLossError, match=r"; epoch 3, pool [67], "):
        finished(run, lambda run: run.pool != wrong)
    assert all(value.isfinite().all() for value in run.model.state_dict().values())


def test_a_loss_that_is_not_finite_without_a_weight_is_no_matter() -> None:
    wrong = first_pool()[1]
    run = begin(task_with([wrong]))
    weights = torch.full((POOL,), 2.0)
    weights[1] = 0
    assert run.step(weights).train_loss.isfinite()


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^on_non_finite='go' is not known; known are: stop, skip$"):
        begin(on_non_finite="go")
