import pytest
import torch

from data_select_gym.tasks import Classification

from .small_runs import SAMPLES, begun, first, small_task, tensors, weights_of, with_dropout


def test_cost_is_samples_trained_on_over_those_of_a_full_run() -> None:
    run = begun()
    # 2 pools of 12 in each of 4 epochs
    assert run.cost == 24 / 96
    run.step(first(5))
    assert run.cost == 29 / 96
    run.step(first(1))
    assert run.cost == 29 / 96
    # The step that reaches the last epoch trains that too.
    run.step(first(3))
    run.step(first(12))
    assert run.done and run.cost == (24 + 5 + 3 + 12 + 24) / 96


def test_an_extra_forward_pass_costs_a_third_and_is_recorded() -> None:
    run = begun(small_task(make_model=with_dropout))
    run.step(first(5))
    weights, visits = weights_of(run), run.ledger.visits.tolist()
    signals = run.read_pool(fresh=True)
    assert run.cost == pytest.approx((24 + 5 + 12 / 3) / 96)
    inputs, targets = (tensor[run.pool] for tensor in tensors(SAMPLES, 0).tensors)
    with torch.no_grad():
        _, expected = Classification()(run.model.eval(), inputs, targets, embed=False)
    for name, column in expected.columns().items():
        assert torch.allclose(signals.columns()[name].float(), column.float(), atol=1e-6)
    assert torch.equal(run.read_pool().loss, signals.loss)
    assert run.cost == pytest.approx(33 / 96)
    assert weights_of(run) == weights and run.ledger.visits.tolist() == visits
