from typing import Any

import pytest
import torch
from torch import nn

from data_select_gym.training import FunctionCallback, RunConfig, TrainingRun

from .small_runs import POOL, begun, finished, keep_all, keep_none, small_task, state, tensors


@pytest.mark.filterwarnings("ignore:.*minibatches are skipped:RuntimeWarning")
def test_a_run_that_diverges_goes_on_to_its_end_if_that_is_asked_for() -> None:
    def too_fast(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1e30)

    run = finished(begun(small_task(optimizer=too_fast), on_non_finite="skip"), keep_all)
    assert run.skipped > 20
    assert run.cost == 1 and run.evaluations[-1].progress == 1


@pytest.mark.parametrize("schedule_fraction", [1.0, 0.75])
def test_the_learning_rate_follows_progress_whatever_was_dropped(schedule_fraction: float) -> None:
    asked: list[float] = []
    rates: list[float] = []

    def schedule(progress: float) -> float:
        asked.append(progress)
        return 1 - progress

    def watch(run: TrainingRun) -> None:
        rates.append(run.trainer.optimizer.param_groups[0]["lr"])

    task = small_task(schedule=schedule)
    full = finished(begun(task, schedule_fraction=schedule_fraction, callbacks=[FunctionCallback(watch)]), keep_all)
    full_asked, full_rates = list(asked), list(rates)
    total = round(8 * schedule_fraction)
    # Three updates a pool, spread evenly over the run.
    assert full_asked == pytest.approx([update / (3 * total) for update in range(3 * total)])
    assert full_rates == pytest.approx([0.5 * (1 - (3 * pool - 1) / (3 * total)) for pool in range(1, total + 1)])
    asked.clear()
    rates.clear()
    none = finished(begun(task, schedule_fraction=schedule_fraction, callbacks=[FunctionCallback(watch)]), keep_none)
    assert asked == full_asked[:6] + full_asked[-6:]
    assert rates[-2:] == full_rates[-2:]
    assert full.progress == none.progress == 1 and full.pool_number == none.pool_number == total
    assert full.cost == schedule_fraction


def test_each_group_of_parameters_has_its_own_largest_learning_rate() -> None:
    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        weight, bias = parameters
        return torch.optim.SGD([{"params": [weight], "lr": 0.2}, {"params": [bias], "lr": 0.1}])

    task = small_task(make_model=lambda: nn.Linear(3, 3), optimizer=optimizer, schedule=lambda progress: 0.5)
    assert [group["lr"] for group in begun(task).trainer.optimizer.param_groups] == [0.1, 0.05]


@pytest.mark.parametrize(("samples", "pool_size", "epochs"), [(26, 12, 4), (10, 10, 5), (23, 5, 3), (9, 2, 3)])
def test_a_run_that_is_over_has_shown_all_its_pools(samples: int, pool_size: int, epochs: int) -> None:
    pools: list[int] = []
    task = small_task(train=tensors(samples, 0), epochs=epochs)
    run = begun(task, pool_size=pool_size, callbacks=[FunctionCallback(lambda run: pools.append(run.pool_number))])
    assert pools == list(range(1, samples // pool_size + 1)) and not run.done
    finished(run)
    assert run.progress == 1 and run.done
    assert pools == list(range(1, samples // pool_size * epochs + 1))
    assert len(run.evaluations) == epochs
    assert len(run.pool) == pool_size and len(run.read_pool()) == pool_size


def test_steps_come_after_the_warm_up_and_before_the_end() -> None:
    run = TrainingRun(small_task(), RunConfig(pool_size=POOL, device="cpu"), seed=0)
    with pytest.raises(RuntimeError, match=r"^step\(\) was called before warm_up\(\)$"):
        run.step(keep_all(run))
    run.warm_up()
    with pytest.raises(RuntimeError, match=r"^warm_up\(\) comes first, and this run has begun already$"):
        run.warm_up()
    with pytest.raises(RuntimeError, match=r"^quality is known at the end of the run"):
        _ = run.quality
    finished(run)
    before = state(run)
    with pytest.raises(RuntimeError, match=r"^step\(\) was called on a run that is over$"):
        run.step(keep_all(run))
    assert state(run) == before
