"""The cost of a run in tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Subset

from data_select_gym.agents.rules.rho import irreducible_losses
from data_select_gym.training import TrainingRun

from .small_runs import (
    POOL,
    SAMPLES,
    begun,
    finished,
    first,
    go_on,
    lengthy_task,
    small_task,
    through_a_file,
)


def keep_short(run: TrainingRun) -> Tensor:
    return run.pool.argsort().argsort() < POOL // 2


def test_tokens_of_a_run_on_full_data_cost_one_whichever_samples_are_left_over() -> None:
    run = finished(begun(lengthy_task()), lambda run: torch.ones(POOL))
    assert run.token_cost == run.cost == 1
    assert run.costs.tokens is not None and run.costs.tokens.trained == run.costs.tokens.full
    # Two of 26 samples are left over in each of four epochs.
    assert run.costs.tokens.full != 4 * sum(range(1, SAMPLES + 1))
    assert finished(begun(lengthy_task(), pool_size=13), lambda run: torch.ones(13)).token_cost == 1
    assert (
        finished(begun(lengthy_task(), schedule_fraction=0.75, anneal_fraction=0.0), lambda run: torch.ones(POOL)).cost
        == 0.75
    )


def test_short_samples_cost_fewer_tokens_than_their_share_of_the_samples() -> None:
    run = begun(lengthy_task())
    counted = 2 * POOL if (tokens := run.costs.tokens) is None else tokens.trained
    while not run.done:
        kept = run.pool[keep_short(run)]
        counted += int((kept + 1).sum())
        before = run.pool_number
        run.step(keep_short(run))
        if run.done:
            assert tokens is not None and tokens.trained > counted  # the annealing epoch, on all data
        else:
            assert (run.pool_number, tokens and tokens.trained) == (before + 1, counted)
    assert run.token_cost is not None and run.token_cost < run.cost - 0.1


@pytest.mark.parametrize("settings", [{"record": {"alignment"}}, {"record": {"validation_gain"}}])
def test_extra_forward_passes_cost_a_third_of_their_tokens(settings: dict[str, Any]) -> None:
    run = begun(lengthy_task(), **settings)
    tokens = run.costs.tokens
    assert tokens is not None
    before, trained = tokens.forwarded, tokens.trained
    run.read_pool(fresh=True)
    assert tokens.forwarded - before == int((run.pool + 1).sum())
    run.step(first(4))
    # A batch of the validation set has two of its samples of 1 to 6 tokens.
    assert 3 <= tokens.forwarded - before - int((run.loader.pools[2] + 1).sum()) <= 22
    assert run.token_cost == pytest.approx((tokens.trained + tokens.forwarded / 3) / tokens.full)
    assert tokens.trained > trained


@pytest.mark.parametrize("missing", ["train", "validation"])
def test_without_lengths_nothing_is_told(missing: str) -> None:
    task = lengthy_task()
    run = begun(replace(task, **{missing: getattr(small_task(), missing)}))
    assert run.token_cost is None
    assert run.state_dict()["tokens"] is None
    run.costs.charge(trained=3)


def test_a_part_of_a_dataset_has_its_own_lengths() -> None:
    task = lengthy_task()
    run = begun(replace(task, train=Subset(task.train, list(range(12))), validation=Subset(task.validation, [0, 1])))
    assert run.costs.tokens is not None and run.costs.tokens.full == 4 * sum(range(1, 13))


def test_what_is_charged_has_the_usual_length_unless_that_is_given() -> None:
    run = begun(lengthy_task())
    assert run.costs.tokens is not None
    before = run.costs.tokens.state_dict()
    run.costs.charge(trained=2, forwarded=4)
    assert run.costs.tokens.state_dict() == {"trained": before["trained"] + 27, "forwarded": before["forwarded"] + 54}
    run.costs.charge(trained=2, trained_tokens=3, forwarded=1, forwarded_tokens=7)
    assert run.costs.tokens.state_dict() == {"trained": before["trained"] + 30, "forwarded": before["forwarded"] + 61}


def test_a_model_trained_on_the_validation_set_is_charged_in_its_tokens() -> None:
    run = begun(lengthy_task())
    assert run.costs.tokens is not None
    before = run.costs.tokens.state_dict()
    irreducible_losses(run)
    assert run.costs.tokens.trained - before["trained"] == 4 * sum(range(1, 7))
    assert run.costs.tokens.forwarded - before["forwarded"] == sum(range(1, SAMPLES + 1))


def test_a_run_goes_on_with_its_count() -> None:
    run = begun(lengthy_task())
    run.read_pool(fresh=True)
    run.step(first(5))
    resumed = begun(lengthy_task())
    resumed.load_state_dict(through_a_file(run))
    assert resumed.token_cost == run.token_cost
    assert go_on(resumed).token_cost == go_on(run).token_cost


def test_after_a_state_from_before_tokens_were_counted_their_cost_is_not_known() -> None:
    old = begun(lengthy_task()).state_dict()
    del old["tokens"]
    run = begun(lengthy_task())
    with pytest.warns(UserWarning, match="did not count tokens, so the token cost of this run is not known$"):
        run.load_state_dict(old)
    assert run.token_cost is None
    # That was told, and need not be told again.
    again = begun(lengthy_task())
    again.load_state_dict(through_a_file(run))
    assert again.token_cost is None
    plain = begun().state_dict()
    del plain["tokens"]
    begun().load_state_dict(plain)


@pytest.mark.parametrize("counted", [{"trained": -1, "forwarded": 0}, {"trained": 1}, [3]])
def test_a_count_that_is_none_is_refused(counted: Any) -> None:
    run = begun(lengthy_task())
    with pytest.raises(ValueError, match=r"^the checkpoint does not fit this run: "):
        run.load_state_dict(begun(lengthy_task()).state_dict() | {"tokens": counted})
