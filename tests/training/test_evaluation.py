from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_select_gym.tasks import Classification
from data_select_gym.training import Evaluation, TrainingRun

from .small_runs import begun, finished, first, keep_all, small_task, tensors, through_a_file, with_dropout


def test_evaluation_is_on_validation_each_epoch_and_on_test_at_the_end() -> None:
    run = begun(small_task(make_model=with_dropout))
    assert len(run.evaluations) == 1
    assert run.step(keep_all(run)).evaluations == ()
    assert [evaluation.epoch for evaluation in run.step(first(6)).evaluations] == [2]
    run.step(keep_all(run))
    # The step that reaches the annealing epoch trains that too.
    assert [evaluation.epoch for evaluation in run.step(keep_all(run)).evaluations] == [3, 4]
    assert [evaluation.progress for evaluation in run.evaluations] == [0.25, 0.5, 0.75, 1]
    assert [evaluation.cost for evaluation in run.evaluations] == [24 / 96, 42 / 96, 66 / 96, 90 / 96]
    assert all(evaluation.test == {} for evaluation in run.evaluations[:-1])
    last = run.evaluations[-1]
    for metrics, dataset in [(last.validation, tensors(6, 1)), (last.test, tensors(7, 2))]:
        inputs, targets = dataset.tensors
        logits = run.model.eval()(inputs)
        assert metrics["loss"] == pytest.approx(F.cross_entropy(logits, targets).item())
        assert metrics["accuracy"] == pytest.approx((logits.argmax(1) == targets).float().mean().item())
    assert last.metrics().keys() == {"val_accuracy", "val_loss", "test_accuracy", "test_loss"}
    assert run.quality == last.test["accuracy"]


def test_quality_is_on_validation_where_there_is_no_test_set() -> None:
    run = finished(begun(replace(small_task(), test=None)))
    assert run.evaluations[-1].test == {}
    assert run.quality == run.evaluations[-1].validation["accuracy"]


def test_what_is_chosen_by_is_of_the_validation_set_and_there_after_each_epoch() -> None:
    run = begun()
    for _ in range(run.plan.pools_per_epoch):
        run.step(keep_all(run))
    assert not run.done
    assert run.validation == run.evaluations[-1].validation["accuracy"]
    finished(run)
    assert run.validation == run.evaluations[-1].validation["accuracy"]
    assert run.quality == run.evaluations[-1].test["accuracy"]
    with pytest.raises(RuntimeError, match=r"^validation is known after an epoch"):
        _ = TrainingRun(small_task(), seed=0).validation


def test_a_shortened_run_is_evaluated_where_it_ends() -> None:
    run = finished(begun(schedule_fraction=0.9))
    # 0.9 of 8 pools are 7, which are three epochs and a half.
    assert [evaluation.epoch for evaluation in run.evaluations] == [1, 2, 3, 3.5]
    assert run.evaluations[-1].test and run.evaluations[-1].progress == 1


class Summarised(Classification):
    """Reports the worst sample too."""

    def summarise(self, samples: dict[str, Tensor]) -> dict[str, float]:
        return {"accuracy": samples["accuracy"].mean().item(), "worst": samples["loss"].max().item()}


def test_an_objective_may_report_something_else_than_means() -> None:
    run = finished(begun(replace(small_task(evaluation_batch_size=2), objective=Summarised())))
    last = run.evaluations[-1]
    inputs, targets = tensors(7, 2).tensors
    losses = F.cross_entropy(run.model.eval()(inputs), targets, reduction="none")
    assert last.test.keys() == {"accuracy", "worst"} and last.test["worst"] == pytest.approx(losses.max().item())


def test_final_metrics_are_taken_of_the_trained_model_once() -> None:
    seen: list[tuple[bool, bool]] = []

    def measure(model: nn.Module) -> dict[str, float]:
        seen.append((model.training, torch.is_grad_enabled()))
        return {"weights": float(sum(parameter.numel() for parameter in model.parameters()))}

    run = finished(begun(replace(small_task(), final_metrics=measure)))
    assert seen == [(False, False)]
    assert run.evaluations[-1].test["weights"] == 38 and run.evaluations[-1].test.keys() > {"accuracy"}
    assert all(evaluation.test == {} for evaluation in run.evaluations[:-1])
    alone = finished(begun(replace(small_task(), test=None, final_metrics=measure)))
    assert alone.evaluations[-1].test == {"weights": 38}
    assert alone.quality == alone.evaluations[-1].validation["accuracy"]


def test_the_size_of_a_batch_in_evaluation_changes_nothing_else() -> None:
    whole, small = (finished(begun(small_task(evaluation_batch_size=size))) for size in (500, 2))
    assert whole.evaluations[-1].test == pytest.approx(small.evaluations[-1].test)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5), torch.tensor(0.5), torch.tensor([0.5])])
def test_metrics_of_ones_own_become_plain_floats(value: Any) -> None:
    class Own(Classification):
        def summarise(self, samples: dict[str, Tensor]) -> dict[str, float]:
            return {"accuracy": value}

    run = finished(begun(replace(small_task(), objective=Own(), final_metrics=lambda model: {"own": value, "two": 2})))
    last = run.evaluations[-1]
    found = [*last.validation.values(), *last.test.values()]
    assert found == [0.5, 0.5, 0.5, 2] and {type(each) for each in found} == {float}
    restored = begun(replace(small_task(), objective=Own()))
    restored.load_state_dict(through_a_file(run))
    assert restored.evaluations == run.evaluations


@pytest.mark.parametrize("value", ["0.5", None, torch.zeros(2), [0.5]])
def test_a_metric_that_is_no_number_is_named(value: Any) -> None:
    task = replace(small_task(), final_metrics=lambda model: {"own": value})
    with pytest.raises(TypeError, match=r"^final_metrics gives own=.*; a single number is needed$"):
        finished(begun(task))
    nothing: Any = lambda model: value  # noqa: E731
    with pytest.raises(TypeError, match=r"^final_metrics gives .*; a dict of numbers by name is needed$"):
        finished(begun(replace(small_task(), final_metrics=nothing)))


@pytest.mark.parametrize("value", [2**80, 1, "1", None])
def test_an_evaluation_in_a_checkpoint_has_floats(value: Any) -> None:
    state = asdict(Evaluation(1.0, 0.5, 0.5, {"accuracy": 0.9}, {}))
    assert Evaluation.of_state(state).validation == {"accuracy": 0.9}
    with pytest.raises(TypeError, match=f"^a metric is a {type(value).__name__}; a float is needed$"):
        Evaluation.of_state(state | {"validation": {"accuracy": value}})
