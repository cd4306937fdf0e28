"""What a run calls as it goes, and when."""

from __future__ import annotations

from typing import Any

import pytest

from data_select_gym.training import Evaluation, RunCallback, RunConfig, StepRecord, TrainingRun

from .small_runs import POOL, begun, finished, first, go_on, keep_hard, small_task, through_a_file


class Noted(RunCallback):
    """Notes each call."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def on_run_begin(self, run: TrainingRun) -> None:
        self.calls.append(("begin", run.pool_number))

    def on_pool_end(self, run: TrainingRun, record: StepRecord | None) -> None:
        self.calls.append(("pool", run.pool_number, None if record is None else int(record.kept.sum())))

    def on_evaluation(self, run: TrainingRun, evaluation: Evaluation) -> None:
        assert evaluation is run.evaluations[-1]
        self.calls.append(("evaluation", run.pool_number))

    def on_run_end(self, run: TrainingRun) -> None:
        self.calls.append(("end", run.pool_number, run.quality))


def test_a_run_calls_at_its_beginning_after_pools_and_evaluations_and_at_its_end() -> None:
    noted = Noted()
    run = TrainingRun(small_task(), RunConfig(pool_size=POOL, device="cpu"), seed=0, callbacks=[noted])
    assert run.callbacks == [noted] and not noted.calls
    run.warm_up()
    warm_up = [("begin", 0), ("pool", 1, None), ("evaluation", 2), ("pool", 2, None)]
    assert noted.calls == warm_up
    while not run.done:
        run.step(first(5))
    steps = [("pool", 3, 5), ("evaluation", 4), ("pool", 4, 5), ("pool", 5, 5), ("evaluation", 6), ("pool", 6, 5)]
    annealing = [("pool", 7, None), ("evaluation", 8), ("pool", 8, None), ("end", 8, run.quality)]
    assert noted.calls == warm_up + steps + annealing


def test_the_record_is_that_of_the_step() -> None:
    records: list[StepRecord | None] = []

    class Kept(RunCallback):
        def on_pool_end(self, run: TrainingRun, record: StepRecord | None) -> None:
            records.append(record)

    run = begun(callbacks=[Kept()])
    record = run.select(keep_hard(run))
    assert records[-1] is record


def test_a_run_that_goes_on_from_a_checkpoint_begins_again_for_its_callbacks() -> None:
    run, noted = begun(), Noted()
    run.step(first(5))
    resumed = TrainingRun(small_task(), RunConfig(pool_size=POOL, device="cpu"), seed=0, callbacks=[noted])
    resumed.load_state_dict(through_a_file(run))
    go_on(resumed)
    assert noted.calls[:2] == [("begin", 3), ("evaluation", 4)] and noted.calls[-1][0] == "end"
    assert [call[0] for call in noted.calls].count("begin") == 1


def test_callbacks_are_called_in_their_order_and_their_own_methods_do_nothing() -> None:
    order: list[int] = []

    class Numbered(RunCallback):
        def __init__(self, number: int) -> None:
            self.number = number

        def on_run_begin(self, run: TrainingRun) -> None:
            order.append(self.number)

    run = finished(begun(callbacks=[Numbered(1), RunCallback(), Numbered(2)]))
    assert order == [1, 2] and run.done


def test_an_error_of_a_callback_reaches_the_caller_when_the_pool_is_trained_on() -> None:
    class Full(RunCallback):
        def on_pool_end(self, run: TrainingRun, record: StepRecord | None) -> None:
            raise OSError("full")

    run = TrainingRun(small_task(), RunConfig(pool_size=POOL, device="cpu"), seed=0, callbacks=[Full()])
    with pytest.raises(OSError, match="full"):
        run.warm_up()
    assert run.pool_number == 1 and not run.done


@pytest.mark.parametrize("callbacks", [Noted(), 3, [print]])
def test_what_is_no_sequence_of_callbacks_is_refused(callbacks: Any) -> None:
    with pytest.raises(TypeError, match=r"^callbacks=.* is needed$"):
        TrainingRun(small_task(), RunConfig(pool_size=POOL, device="cpu"), seed=0, callbacks=callbacks)
