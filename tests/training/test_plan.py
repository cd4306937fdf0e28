import math
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from data_select_gym.tasks import Classification, LoaderConfig, Recipe, Task
from data_select_gym.training import Plan, RunConfig

from .small_runs import sgd


def test_a_run_of_ten_epochs_by_hand() -> None:
    plan = Plan(samples=100, pool_size=20, epochs=10)
    assert plan.pools_per_epoch == 5
    assert plan.total_pools == plan.full_pools == 50
    assert plan.warmup_pools == 5
    # ceil(0.125 * 10) = 2 epochs of annealing, which leaves 10 - 1 - 2 = 7 to select in.
    assert plan.anneal_start == 40
    assert plan.selection_pools == 35


@pytest.mark.parametrize(("keep_ratio", "cost"), [(0.5, 0.65), (0.3, 0.51), (1, 1), (0, 0.3)])
def test_the_cost_of_ten_epochs_by_hand(keep_ratio: float, cost: float) -> None:
    # Three of ten epochs in full and the share of seven: 0.3 + 0.7 * 0.5 = 0.65, 0.3 + 0.7 * 0.3 = 0.51.
    assert Plan(100, 20, 10).cost(keep_ratio) == pytest.approx(cost)


@pytest.mark.parametrize(
    ("epochs", "fraction", "annealing"),
    [(3, 0.125, 1), (8, 0.125, 1), (9, 0.125, 2), (200, 0.125, 25), (30, 0.1, 3), (50, 0.14, 7), (10, 0.0, 0)],
)
def test_annealing_is_the_share_of_epochs_rounded_up(epochs: int, fraction: float, annealing: int) -> None:
    # 0.14 * 50 is 7.000000000000001 in floating point.
    plan = Plan(40, 10, epochs, anneal_fraction=fraction)
    assert plan.total_pools - plan.anneal_start == 4 * annealing


def test_samples_left_over_are_not_shown() -> None:
    plan = Plan(samples=23, pool_size=5, epochs=4)
    assert plan.pools_per_epoch == 4  # 23 % 5 = 3 wait
    assert plan.full_pools == 16


def test_without_warm_up_and_annealing_all_pools_are_selected_from() -> None:
    plan = Plan(10, 10, 3, warmup_epochs=0, anneal_fraction=0)
    assert (plan.warmup_pools, plan.anneal_start, plan.selection_pools) == (0, 3, 3)
    assert plan.cost(0.25) == pytest.approx(0.25)


def test_a_shortened_run_by_hand() -> None:
    plan = Plan(samples=100, pool_size=20, epochs=10, schedule_fraction=0.65)
    # 32.5 pools round to 32, and 0.125 of 6.5 epochs to one epoch of five pools.
    assert plan.full_pools == 50
    assert plan.total_pools == 32
    assert plan.anneal_start == 27
    assert plan.selection_pools == 22
    assert plan.cost(1) == pytest.approx(32 / 50)
    # 5 + 5 in full and half of 22
    assert plan.cost(0.5) == pytest.approx(21 / 50)


@pytest.mark.parametrize("keep_ratio", [0.2, 0.5, 0.9])
def test_a_run_shortened_to_a_cost_costs_that_much_to_a_pool(keep_ratio: float) -> None:
    cost = Plan(100, 5, 10).cost(keep_ratio)
    assert Plan(100, 5, 10, schedule_fraction=cost).cost(1) == pytest.approx(cost, abs=0.5 / 200)


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 1}, {"epochs": 2}, {"epochs": 5, "warmup_epochs": 4}, {"epochs": 5, "anneal_fraction": 0.8},
     {"epochs": 5, "anneal_fraction": 1}, {"epochs": 10, "schedule_fraction": 0.2}],
)  # fmt: skip
def test_too_few_epochs_to_select_in_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^epochs={settings['epochs']} with .* leaves no step to select at"):
        Plan(**{"samples": 40, "pool_size": 10} | settings)


def test_the_fewest_epochs_leave_one_to_select_in() -> None:
    assert Plan(40, 40, 3).selection_pools == 1
    assert Plan(40, 10, 3).selection_pools == 4


def test_pool_sizes_are_from_two_to_all_samples() -> None:
    assert Plan(10, 2, 3).pools_per_epoch == 5
    assert Plan(10, 10, 3).pools_per_epoch == 1
    for size in (-1, 0, 1, 11, 2.5, True):
        with pytest.raises(ValueError, match=rf"^pool_size={size} is not a whole number of at least 2 and at most 10$"):
            Plan(10, size, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "allowed"),
    [
        ({"epochs": 0}, "a whole number of at least 1"),
        ({"warmup_epochs": -1}, "a whole number of at least 0"),
        ({"warmup_epochs": 0.5}, "a whole number of at least 0"),
        ({"anneal_fraction": -0.1}, r"a number in \[0, 1\]"),
        ({"anneal_fraction": math.nan}, r"a number in \[0, 1\]"),
        ({"schedule_fraction": 0}, r"a number in \(0, 1\]"),
        ({"schedule_fraction": 1.1}, r"a number in \(0, 1\]"),
    ],
)
def test_settings_are_checked(wrong: dict[str, Any], allowed: str) -> None:
    name, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=rf"^{name}={value} is not {allowed}$"):
        Plan(**{"samples": 40, "pool_size": 10, "epochs": 5} | wrong)


@pytest.mark.parametrize(("samples", "pool_size"), [(100, 32), (20, 20)])
def test_pools_of_a_task_are_eight_minibatches_or_all_samples(samples: int, pool_size: int) -> None:
    train = TensorDataset(torch.zeros(samples, 1), torch.zeros(samples, dtype=torch.int64))
    recipe = Recipe(epochs=6, batch_size=4, optimizer=torch.optim.SGD)
    task = Task("small", train, lambda: nn.Linear(1, 2), Classification(), recipe, validation=train)
    assert Plan.of(task) == Plan(samples, pool_size, 6)
    assert Plan.of(task, RunConfig(pool_size=5, warmup_epochs=2, schedule_fraction=0.9)) == Plan(
        samples, 5, 6, warmup_epochs=2, schedule_fraction=0.9
    )


@settings(deadline=None)
@given(
    st.integers(2, 60), st.integers(2, 60), st.integers(1, 30), st.integers(0, 3), st.floats(0, 1), st.floats(0.01, 1),
    st.floats(0, 1),
)  # fmt: skip
def test_counts_and_costs_of_any_plan_fit_together(
    samples: int, pool_size: int, epochs: int, warmup: int, anneal: float, schedule_fraction: float, keep_ratio: float
) -> None:
    try:
        plan = Plan(samples, min(samples, pool_size), epochs, warmup, anneal, schedule_fraction)
    except ValueError:
        return
    assert 0 <= plan.warmup_pools < plan.anneal_start <= plan.total_pools <= plan.full_pools
    shown_in_full = plan.total_pools - plan.selection_pools
    assert plan.cost(keep_ratio) == pytest.approx((shown_in_full + keep_ratio * plan.selection_pools) / plan.full_pools)
    assert 0 <= plan.cost(0) <= plan.cost(keep_ratio) <= plan.cost(1) <= 1


@given(st.integers(3, 40), st.floats(0, 0.4), st.floats(0.01, 1), st.integers(0, 1))
def test_the_spread_keep_ratio_costs_the_same_without_annealing(
    epochs: int, fraction: float, keep_ratio: float, warmup: int
) -> None:
    plan = Plan(100, 20, epochs, warmup_epochs=warmup, anneal_fraction=min(fraction, 1 / epochs))
    without = Plan(100, 20, epochs, warmup_epochs=warmup, anneal_fraction=0)
    assert without.cost(plan.spread(keep_ratio)) == pytest.approx(plan.cost(keep_ratio))
    assert keep_ratio <= plan.spread(keep_ratio) + 1e-12 <= 1 + 1e-9


def test_the_spread_keep_ratio_of_ten_epochs_by_hand() -> None:
    # 0.3 of seven epochs and two in full are 4.1 epochs, over nine.
    assert Plan(100, 20, 10).spread(0.3) == pytest.approx(4.1 / 9)


def test_numbers_of_numpys_become_pythons() -> None:
    plan = Plan(
        np.int64(26),
        np.int32(12),
        np.int64(5),
        np.int8(1),
        np.float64(0.25),
        np.float32(0.5),  # type: ignore[arg-type]
    )
    assert plan == Plan(26, 12, 5, 1, 0.25, 0.5)
    assert [type(value) for value in astuple(plan)[:6]] == [int, int, int, int, float, float]
    count: Any = np.int64(3)
    recipe = Recipe(count, count, sgd, evaluation_batch_size=count, max_grad_norm=np.float32(0.5))  # type: ignore[arg-type]
    assert {type(recipe.epochs), type(recipe.batch_size), type(recipe.evaluation_batch_size)} == {int}
    assert type(recipe.max_grad_norm) is float
    loading = LoaderConfig(workers=count, prefetch=count)
    assert type(loading.workers) is type(loading.prefetch) is int


@settings(deadline=None)
@given(
    st.integers(3, 40), st.floats(0, 0.4), st.floats(0.1, 1), st.integers(0, 1), st.booleans(), st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_the_keep_ratio_of_a_cost_costs_that(
    epochs: int, fraction: float, keep_ratio: float, warmup: int, fresh: bool, alignment: bool, gain: bool
) -> None:
    extra: dict[str, Any] = {"fresh": fresh, "alignment": alignment, "validation_gain": gain, "probed": 3}
    plan = Plan(100, 20, epochs, warmup_epochs=warmup, anneal_fraction=min(fraction, 1 / epochs), **extra)
    found = plan.keep_ratio(plan.cost(keep_ratio))
    assert found == pytest.approx(keep_ratio)
    assert plan.cost(found) == pytest.approx(plan.cost(keep_ratio))


def test_a_cost_out_of_reach_is_told_with_the_least_and_the_greatest_and_why() -> None:
    plan = Plan(100, 20, 10)
    # One epoch of ten warms up, two anneal, and of the others a tenth is kept at least.
    for cost in (0.3, 1.01):
        with pytest.raises(ValueError) as told:
            plan.keep_ratio(cost)
        assert str(told.value) == (
            f"cost={cost!r} is out of reach: a run costs from 0.37 to 1 here, since warmup_epochs=1 of 10 are trained "
            "on in full (0.100), anneal_fraction=0.125 of the epochs, rounded up, too (0.200), of the other pools at "
            "least 2 of 20 samples are kept"
        )
    assert plan.keep_ratio(0.37) == pytest.approx(0.1)
    with pytest.raises(
        ValueError, match=r"from 0\.46 to 1 .* extra forward passes cost 0\.200, .* schedule_fraction=0\.8 ends"
    ):
        Plan(100, 20, 10, fresh=True, schedule_fraction=0.8).keep_ratio(0.1)


@pytest.mark.parametrize("cost", [0, -0.1, float("nan"), True, "0.5", None])
def test_a_cost_is_a_number_above_zero(cost: Any) -> None:
    with pytest.raises(ValueError, match="is not a finite number above 0"):
        Plan(100, 20, 10).keep_ratio(cost)
