"""The settings of a run, and those of version 0.1."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import Any

import numpy as np
import pytest

from data_select_gym.training import Plan, RunConfig, TrainingRun
from data_select_gym.training.old_names import MOVED

from .small_runs import POOL, begun, finished, small_task, state


def test_numbers_and_names_become_plain() -> None:
    fractions: dict[str, Any] = {"anneal_fraction": np.float32(0.25), "schedule_fraction": np.float64(0.5)}
    config = RunConfig(warmup_epochs=np.int64(2), record=["fresh", "embedding"], **fractions)  # type: ignore[arg-type]
    assert config == RunConfig(
        warmup_epochs=2, anneal_fraction=0.25, schedule_fraction=0.5, record={"embedding", "fresh"}
    )
    assert type(config.warmup_epochs) is int and type(config.anneal_fraction) is float
    assert type(config.record) is frozenset and hash(config) is not None


def test_a_plan_of_a_task_has_the_settings_of_the_config() -> None:
    config = RunConfig(pool_size=POOL, warmup_epochs=0, anneal_fraction=0.5, schedule_fraction=0.75)
    plan = Plan.of(small_task(), config)
    assert (plan.pool_size, plan.warmup_epochs, plan.anneal_fraction, plan.schedule_fraction) == (POOL, 0, 0.5, 0.75)
    assert (plan.fresh, plan.alignment, plan.validation_gain, plan.probed) == (False, False, False, 0)
    plan = Plan.of(small_task(), replace(config, record={"fresh", "alignment", "validation_gain", "embedding"}))
    assert (plan.fresh, plan.alignment, plan.validation_gain, plan.probed) == (True, True, True, 2)
    assert Plan.of(small_task()) == Plan.of(small_task(), RunConfig())


def test_a_run_takes_a_plan_that_is_made() -> None:
    config = RunConfig(pool_size=POOL, device="cpu")
    plan = Plan.of(small_task(), config)
    assert TrainingRun(small_task(), config, seed=0, plan=plan).plan is plan


FLAT = [
    ({"pool_size": 8}, RunConfig(pool_size=8)),
    ({"length": 0.75}, RunConfig(schedule_fraction=0.75)),
    ({"schedule_fraction": 0.75}, RunConfig(schedule_fraction=0.75)),
    ({"warmup_epochs": 2, "anneal_fraction": 0.0}, RunConfig(warmup_epochs=2, anneal_fraction=0.0)),
    ({"on_non_finite": "skip", "compile": False}, RunConfig(on_non_finite="skip")),
    ({"embeddings": True, "alignment": True}, RunConfig(record={"embedding", "alignment"})),
    ({"validation_gain": True, "fresh": False}, RunConfig(record={"validation_gain"})),
]


@pytest.mark.parametrize(("given", "config"), FLAT)
def test_keyword_arguments_of_version_0_1_warn_and_are_understood(given: dict[str, Any], config: RunConfig) -> None:
    with pytest.warns(DeprecationWarning, match=r"^TrainingRun\(\w+=\.\.\.\) is called RunConfig\(") as warned:
        run = TrainingRun(small_task(), seed=0, **given)
    assert run.config == config
    assert len(warned) == len(given) and all(each.filename == __file__ for each in warned)


def test_keyword_arguments_change_a_config() -> None:
    with pytest.warns(DeprecationWarning):
        run = TrainingRun(small_task(), RunConfig(pool_size=8, record={"fresh"}), seed=0, fresh=False)
    assert run.config == RunConfig(pool_size=8)


def test_on_pool_of_version_0_1_is_still_called() -> None:
    pools: list[int] = []
    with pytest.warns(DeprecationWarning, match=r"^TrainingRun\(on_pool=\.\.\.\) is called TrainingRun\(callbacks="):
        run = TrainingRun(
            small_task(),
            RunConfig(pool_size=POOL, device="cpu"),
            seed=0,
            on_pool=lambda run: pools.append(run.pool_number),
        )
    run.warm_up()
    assert state(finished(run)) == state(finished(begun()))
    assert pools == list(range(1, 9))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"batch_size": 3},
            TypeError,
            "^got an unexpected keyword argument 'batch_size'; settings of a run are ",
        ),
        ({"poolsize": 3}, TypeError, r"'poolsize'; .*; did you mean 'pool_size'\?$"),
        ({"record": {"fresh"}}, TypeError, "^got an unexpected keyword argument 'record'"),
        ({"embeddings": "yes"}, TypeError, "^embeddings='yes' is not True or False$"),
        ({"on_pool": 3}, TypeError, "^on_pool=3 is a int; something that can be called is needed$"),
        ({"length": 2}, ValueError, r"^schedule_fraction=2 is not a number in \(0, 1\]$"),
    ],
)
@pytest.mark.filterwarnings("ignore:TrainingRun:DeprecationWarning")
def test_other_keyword_arguments_are_refused(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        TrainingRun(small_task(), seed=0, **given)


def test_attributes_of_version_0_1_are_found_where_they_are_now_with_a_warning() -> None:
    run = begun()
    for old, new in MOVED.items():
        with pytest.warns(DeprecationWarning, match=rf"TrainingRun\.{old} is called TrainingRun\.{new} now"):
            assert getattr(run, old) == attrgetter(new)(run)
    with pytest.raises(AttributeError, match="'TrainingRun' object has no attribute 'charged'"):
        _ = run.charged  # type: ignore[attr-defined]
    with pytest.warns(DeprecationWarning):
        run.charge(forwarded=3)
    assert run.costs.forwarded == 3
