"""Generalised cross-entropy, against values worked out by hand."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_select_gym.agents import make_policy, run_policy
from data_select_gym.envs import DataSelectEnv
from data_select_gym.tasks import Classification, make_task
from data_select_gym.tasks.objectives import classification, generalised_cross_entropy

LOGITS = torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]).log()
LABELS = torch.tensor([0, 1])


def given(logits: Tensor) -> Callable[..., Any]:
    """A model that gives these logits whatever the input."""

    class Given(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return logits

    return Given()


def losses(q: float, logits: Tensor = LOGITS, labels: Tensor = LABELS) -> Tensor:
    return Classification(loss="gce", q=q)(given(logits), labels, labels, embed=False)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("q", [0.3, 0.5, 0.7, 1.0])
def test_it_is_one_minus_a_power_of_the_labels_probability_over_q(q: float) -> None:
    assert losses(q).tolist() == pytest.approx([(1 - 0.7**q) / q, (1 - 0.25**q) / q])


def test_values_by_hand() -> None:
    # At 1/2 of 1/4: (1 - 1/2) / (1/2); at 1: 1 - p.
    assert losses(0.5)[1].item() == pytest.approx(1.0)
    assert losses(1.0).tolist() == pytest.approx([0.3, 0.75])


def test_near_zero_it_is_cross_entropy() -> None:
    assert losses(1e-6).tolist() == pytest.approx([-math.log(0.7), -math.log(0.25)], rel=1e-5)


def test_its_gradient_is_that_of_cross_entropy_times_a_power_of_the_probability() -> None:
    logits = LOGITS.clone().requires_grad_()
    losses(0.7, logits).sum().backward()  # type: ignore[no-untyped-call]
    of_label = torch.tensor([[0.7], [0.25]])
    expected = of_label**0.7 * (LOGITS.exp() - F.one_hot(LABELS, 3))
    assert logits.grad is not None and torch.allclose(logits.grad, expected, atol=1e-6)


def test_the_gradient_is_that_of_finite_differences() -> None:
    logits = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([0, 1, 2, 3, 0])
    assert torch.autograd.gradcheck(lambda values: generalised_cross_entropy(values, labels, 0.7), logits)


def test_impossible_labels_have_a_finite_loss_and_no_gradient() -> None:
    logits = torch.tensor([[1e4, 0.0]], requires_grad=True)
    loss = losses(0.7, logits, torch.tensor([1]))
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(1 / 0.7)
    assert logits.grad is not None and logits.grad.tolist() == [[0.0, 0.0]]


def test_the_signal_is_the_trained_loss_and_all_others_are_of_the_prediction() -> None:
    model: Any = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))
    inputs, labels = torch.tensor([[1.0, -2.0], [0.5, 3.0]]), torch.tensor([0, 2])
    loss, robust = Classification(loss="gce")(model, inputs, labels, embed=True)
    _, plain = Classification()(model, inputs, labels, embed=True)
    assert robust.loss.equal(loss.detach()) and not robust.loss.equal(plain.loss)
    for name, column in plain.columns().items():
        assert name == "loss" or robust.columns()[name].equal(column)
    for metric, values in Classification().metrics(model, inputs, labels).items():
        assert Classification(loss="gce").metrics(model, inputs, labels)[metric].equal(values)


def test_tasks_leave_out_label_smoothing_with_it() -> None:
    made = classification("gce", label_smoothing=0.1, head="head")
    assert (made.loss, made.q, made.label_smoothing, made.head) == ("gce", 0.7, 0.0, "head")
    assert classification("cross-entropy", label_smoothing=0.1).label_smoothing == 0.1
    assert make_task("digits", loss="gce").objective.loss == "gce"  # type: ignore[attr-defined]


@pytest.mark.slow
def test_it_withstands_label_noise_that_cross_entropy_memorises() -> None:
    quality = {}
    for loss in ("cross-entropy", "gce"):
        env = DataSelectEnv("digits", epochs=60, label_noise=0.4, loss=loss, device="cpu")
        quality[loss] = run_policy(make_policy("full"), env, 0).quality
    assert quality["gce"] > quality["cross-entropy"] + 0.05
