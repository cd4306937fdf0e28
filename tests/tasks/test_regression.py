import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from data_select_gym.rewards import REWARDS, StepOutcome, composite, difficulty
from data_select_gym.signals import Signals, alignment, last_layer_gradient
from data_select_gym.tasks import Recipe, Regression, Task, make_task

INPUTS = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.0]])
TARGETS = torch.tensor([1.0, -2.0, 0.5])
PAIRS = torch.tensor([[1.0, 0.0], [-2.0, 1.0], [0.5, 0.5]])


class Given(nn.Module):
    """Gives the same output whatever the input."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def forward(self, inputs: Tensor) -> Any:
        return self.output


def perceptron(outputs: int = 1) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, outputs))


def judged(output: Tensor, targets: Tensor, **options: Any) -> tuple[Tensor, Signals]:
    return Regression(**options)(Given(output), INPUTS, targets, embed=False)


def test_the_loss_is_the_mean_squared_error_of_each_sample_by_hand() -> None:
    losses, signals = judged(torch.tensor([[1.0, 2.0], [0.0, 0.0], [0.5, 0.5]]), PAIRS)
    assert losses.tolist() == [(0 + 4) / 2, (4 + 1) / 2, 0]
    assert signals.loss.tolist() == losses.tolist()


@pytest.mark.parametrize("output_shape", [(3,), (3, 1)])
@pytest.mark.parametrize("target_shape", [(3,), (3, 1)])
def test_a_dimension_of_one_may_be_left_out(output_shape: tuple[int, ...], target_shape: tuple[int, ...]) -> None:
    output, targets = torch.tensor([0.0, 0.0, 1.0]).reshape(output_shape), TARGETS.reshape(target_shape)
    losses, _ = judged(output, targets)
    assert losses.tolist() == [1, 4, 0.25]
    assert Regression().metrics(Given(output), INPUTS, targets)["mae"].tolist() == [1, 2, 0.5]


def test_targets_in_double_precision_are_those_of_lists_and_are_taken() -> None:
    losses, _ = judged(torch.zeros(3), TARGETS.double())
    assert (losses.dtype, losses.tolist()) == (torch.float32, [1, 4, 0.25])


def test_the_gaussian_negative_log_likelihood_by_hand() -> None:
    # Means and variances: (0, 1 | 4, 1), (-2, 1 | 1, e), (0.5, 0 | 1, 1)
    output = torch.tensor([[0.0, 1.0, math.log(4), 0.0], [-2.0, 1.0, 0.0, 1.0], [0.5, 0.0, 0.0, 0.0]])
    losses, signals = judged(output, PAIRS, variance=True)
    expected = [(math.log(4) + 1 / 4 + 1) / 4, 1 / 4, 0.25 / 4]
    assert losses.tolist() == pytest.approx(expected)
    assert signals.uncertainty.tolist() == pytest.approx(
        [(4 / 5 + 1 / 2) / 2, (1 / 2 + math.e / (1 + math.e)) / 2, 0.5]
    )
    assert signals.confidence.tolist() == pytest.approx((1 - signals.uncertainty).tolist())


def test_likelihoods_and_their_gradients_are_to_the_bit_those_of_pytorch() -> None:
    mean, log_variance = torch.randn(2, 64, 1, generator=torch.Generator().manual_seed(0)).mul(8).unbind()
    targets = torch.zeros(64)
    assert (log_variance.exp() < 1e-6).any() and (log_variance.exp() > 1e-6).any()
    output = torch.cat([mean, log_variance], dim=1).requires_grad_()
    losses, _ = judged(output, targets, variance=True)
    other = output.detach().clone().requires_grad_()
    expected = F.gaussian_nll_loss(other[:, 0], targets, other[:, 1].exp(), eps=1e-6, reduction="none")
    assert torch.equal(losses, expected)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    expected.sum().backward()  # type: ignore[no-untyped-call]
    assert output.grad is not None and other.grad is not None and torch.equal(output.grad, other.grad)


def test_a_loss_below_zero_is_nothing_special() -> None:
    losses, signals = judged(torch.stack([TARGETS, torch.full((3,), -4.0)], dim=1), TARGETS, variance=True)
    assert losses.tolist() == pytest.approx([-2] * 3)
    assert difficulty(signals)(signals)[0].tolist() == pytest.approx([0] * 3)


def test_the_least_variance_that_counts_is_in_units_of_the_scale() -> None:
    output, targets = torch.tensor([[0.0, math.log(1e-8)]] * 3), torch.full((3,), 1e-4)
    fine, _ = judged(output, targets, variance=True, scale=1e-4)
    assert fine.tolist() == pytest.approx([(math.log(1e-8) + 1) / 2] * 3, rel=1e-4)
    coarse, _ = judged(output, targets, variance=True)
    assert coarse.tolist() == pytest.approx([(math.log(1e-6) + 0.01) / 2] * 3, rel=1e-4)


def test_metrics_by_hand_and_more_of_the_quality_is_better() -> None:
    output = torch.tensor([[1.0, 2.0], [0.0, 0.0], [0.5, 0.5]])
    metrics = Regression().metrics(Given(output), INPUTS, PAIRS)
    assert {name: values.tolist() for name, values in metrics.items()} == {
        "neg_mse": [-2, -2.5, 0],
        "mse": [2, 2.5, 0],
        "mae": [1, 1.5, 0],
    }
    worse = Regression().metrics(Given(output + 3), INPUTS, PAIRS)
    assert worse[Regression.primary_metric].mean() < metrics[Regression.primary_metric].mean()


def test_metrics_with_a_variance_are_of_the_mean_and_of_the_likelihood() -> None:
    output = torch.tensor([[1.0, math.log(4)], [0.0, 0.0], [0.5, 0.0]])
    metrics = Regression(variance=True).metrics(Given(output), INPUTS, TARGETS)
    assert metrics["neg_mse"].tolist() == [0, -4, 0]
    assert metrics["mae"].tolist() == [0, 2, 0]
    assert metrics["nll"].tolist() == pytest.approx([math.log(4) / 2, 2, 0])


def test_without_a_variance_nothing_is_uncertain_and_no_class_is_right() -> None:
    _, signals = judged(torch.zeros(3), TARGETS)
    assert signals.uncertainty.tolist() == [0] * 3
    assert signals.confidence.tolist() == [1] * 3
    assert signals.margin.tolist() == [0] * 3
    assert signals.correct.tolist() == [False] * 3
    assert signals.embedding is None
    assert signals.error is None


def test_without_a_variance_the_composite_quality_is_the_difficulty() -> None:
    _, signals = judged(torch.zeros(3), TARGETS)
    value, parts = composite(signals)(signals)
    assert parts["weight"].item() == pytest.approx(1, abs=1e-6)
    assert value.tolist() == pytest.approx(difficulty(signals)(signals)[0].tolist(), abs=1e-6)
    assert value.std() > 0.1


def test_the_error_norm_in_its_range_by_hand() -> None:
    _, signals = judged(torch.tensor([1.0, 1.0, 1e30]), TARGETS)
    assert signals.el2n.tolist() == pytest.approx([0, math.sqrt(2 * 9 / 10), math.sqrt(2)])


def test_the_more_variance_the_more_uncertain_up_to_one() -> None:
    variances = torch.tensor([-300.0, -1.0, 300.0])
    _, signals = judged(torch.stack([TARGETS, variances], dim=1), TARGETS, variance=True)
    assert signals.uncertainty.tolist() == pytest.approx([0, 1 / (1 + math.e), 1])


@pytest.mark.parametrize("variance", [False, True])
def test_signals_do_not_depend_on_the_units_if_the_scale_is_in_them(variance: bool) -> None:
    spread = torch.tensor([[0.3], [-1.0], [2.0]])
    plain = torch.cat([torch.zeros(3, 1), spread], dim=1) if variance else torch.zeros(3, 1)
    far = torch.cat([torch.zeros(3, 1), spread + 2 * math.log(50)], dim=1) if variance else plain
    _, small = judged(plain, TARGETS, variance=variance)
    _, large = judged(far, 50 * TARGETS, variance=variance, scale=50)
    for name in ("uncertainty", "confidence", "el2n"):
        assert torch.allclose(small.columns()[name], large.columns()[name], atol=1e-6)
    assert torch.allclose(difficulty(small)(small)[0], difficulty(large)(large)[0], atol=1e-6)


@pytest.mark.parametrize(("variance", "outputs"), [(False, 2), (True, 4)])
def test_signals_of_a_sample_do_not_depend_on_its_batch(variance: bool, outputs: int) -> None:
    objective, model = Regression(variance=variance), perceptron(outputs)
    _, whole = objective(model, INPUTS, PAIRS, embed=True)
    parts = [objective(model, INPUTS[rows], PAIRS[rows], embed=True)[1] for rows in (slice(0, 1), slice(1, 3))]
    for name, column in Signals.concatenated(parts).columns().items():
        assert torch.allclose(column, whole.columns()[name], atol=1e-6), name


@pytest.mark.parametrize(("variance", "outputs"), [(False, 2), (True, 4)])
def test_losses_carry_gradients_and_signals_do_not(variance: bool, outputs: int) -> None:
    model = perceptron(outputs)
    losses, signals = Regression(variance=variance)(model, INPUTS, PAIRS, embed=True)
    losses.mean().backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not any(column.requires_grad for column in signals.columns().values())


@pytest.mark.parametrize(("variance", "outputs"), [(False, 2), (True, 4)])
def test_losses_and_signals_are_in_full_precision_where_the_model_is_not(variance: bool, outputs: int) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert perceptron(outputs)(INPUTS).dtype == torch.bfloat16
        losses, signals = Regression(variance=variance)(perceptron(outputs), INPUTS, PAIRS, embed=True)
    columns = [column for name, column in signals.columns().items() if name != "correct"]
    assert {column.dtype for column in (losses, *columns)} == {torch.float32}


def test_the_error_of_squared_errors_by_hand() -> None:
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2))
        layer.bias.zero_()
        _, signals = Regression()(layer, INPUTS, PAIRS, embed=True)
    assert signals.error is not None
    # 2 (f - y) / K with K = 2
    assert signals.error.tolist() == (INPUTS - PAIRS).tolist()


@pytest.mark.parametrize(("variance", "outputs"), [(False, 1), (False, 2), (True, 2), (True, 4)])
def test_error_and_embedding_give_the_gradient_of_the_last_layer(variance: bool, outputs: int) -> None:
    model, objective = perceptron(outputs), Regression(variance=variance)
    targets = PAIRS[:, : outputs // (2 if variance else 1)]
    losses, _ = objective(model, INPUTS, targets, embed=False)
    (expected,) = torch.autograd.grad(losses.mean(), list(model.parameters())[2])
    with torch.no_grad():  # as in a look at the validation set
        _, signals = objective(model, INPUTS, targets, embed=True)
    assert torch.allclose(last_layer_gradient(signals), expected, atol=1e-6)


def test_a_sample_with_a_wrong_target_is_aligned_against_the_right_ones() -> None:
    inputs = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    targets = torch.tensor([1.0, 1.0, 2.0, -2.0])
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.zero_()
    _, signals = Regression()(model, inputs, targets, embed=True)
    _, right = Regression()(model, inputs[:3], targets[:3], embed=True)
    aligned = alignment(signals, last_layer_gradient(right))
    assert (aligned[:3] > 0).all()
    assert aligned[3] < 0


def test_the_embedding_is_the_input_of_the_last_layer_or_of_one_that_is_named() -> None:
    model = perceptron()
    _, signals = Regression()(model, INPUTS, TARGETS, embed=True)
    weight, bias, *_ = model.parameters()
    assert signals.embedding is not None
    assert torch.allclose(signals.embedding, torch.tanh(INPUTS @ weight.T + bias))
    assert Regression().embedding_dim(model) == 4
    _, signals = Regression(head="0")(model, INPUTS, TARGETS, embed=True)
    assert signals.embedding is not None and torch.equal(signals.embedding, INPUTS)
    with pytest.raises(ValueError, match=r"^head='1' is not an nn.Linear of the model; it has: 0, 2$"):
        Regression(head="1").embedding_dim(model)


@pytest.mark.parametrize("embed", [False, True])
def test_a_diverged_model_gives_signals_without_an_error(embed: bool) -> None:
    model = perceptron(2)
    with torch.no_grad():
        list(model.parameters())[2].fill_(math.nan)
    _, signals = Regression(variance=True)(model, INPUTS, TARGETS, embed=embed)
    assert signals.el2n.tolist() == pytest.approx([math.sqrt(2)] * 3)
    assert composite(signals)(signals)[0].isfinite().all()


@pytest.mark.parametrize(
    ("output", "targets", "options", "message"),
    [
        (torch.zeros(3, 2), TARGETS, {}, r"shape \(3, 2\); .* variance=False .* shape \(3,\) .* \(3, 1\) or \(3,\)$"),
        (torch.zeros(2), TARGETS, {}, r"torch.float32 of shape \(2,\)"),
        (torch.zeros(3), PAIRS, {}, r"shape \(3,\); .* shape \(3, 2\) needs .* shape \(3, 2\)$"),
        (torch.zeros(3, 1, 1), TARGETS, {}, r"shape \(3, 1, 1\)"),
        (torch.zeros(3, 1), TARGETS, {"variance": True}, r"shape \(3, 1\); .* variance=True .* of shape \(3, 2\)$"),
        (torch.zeros(3, 2), PAIRS, {"variance": True}, r"shape \(3, 2\); .* of shape \(3, 4\)$"),
        (torch.zeros(3, dtype=torch.int64), TARGETS, {}, r"torch.int64 of shape \(3,\)"),
        ((torch.zeros(3), None), TARGETS, {}, "tuple; regression needs a tensor$"),
    ],
)
def test_an_output_that_does_not_fit_the_targets_is_refused(
    output: Any, targets: Tensor, options: dict[str, Any], message: str
) -> None:
    for call in (
        lambda: judged(output, targets, **options),
        lambda: Regression(**options).metrics(Given(output), INPUTS, targets),
    ):
        with pytest.raises(ValueError, match=rf"^the model's output is (a )?.*{message}"):
            call()


@pytest.mark.parametrize("targets", [TARGETS.long(), TARGETS > 0, TARGETS.reshape(3, 1, 1), torch.zeros(3, 0)])
def test_targets_that_are_no_numbers_in_columns_are_refused(targets: Tensor) -> None:
    with pytest.raises(ValueError, match=r"^targets are torch.*; regression needs floating-point numbers of shape"):
        judged(torch.zeros(3), targets)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_targets_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"^targets have a value that is not finite"):
        judged(torch.zeros(3), torch.tensor([0.0, value, 1.0]))


@pytest.mark.parametrize("scale", [0, -1.0, math.nan, math.inf, "1", True])
def test_the_scale_is_checked(scale: Any) -> None:
    with pytest.raises(ValueError, match=r"^scale=.* is not a finite number above 0$"):
        Regression(scale=scale)


def test_numbers_get_no_label_noise() -> None:
    data = TensorDataset(INPUTS, TARGETS)
    recipe = Recipe(3, 2, lambda weights: torch.optim.SGD(weights, lr=0.1))
    task = Task("numbers", data, perceptron, Regression(), recipe, validation=data)
    with pytest.raises(TypeError, match=r"^label_noise=0.2: the objective is a Regression; .* of Classification$"):
        make_task(task, label_noise=0.2)


@pytest.mark.parametrize("reward", [name for name in REWARDS if "alignment" not in name and name != "validation-gain"])
def test_equal_losses_below_zero_pay_finite_rewards(reward: str) -> None:
    _, signals = judged(torch.stack([TARGETS, torch.full((3,), -4.0)], dim=1), TARGETS, variance=True)
    kept = torch.tensor([True, True, False])
    outcome = StepOutcome(signals, signals, kept, kept.float(), (torch.tensor([0, 1]),), 0.5)
    assert REWARDS[reward](outcome)[0].isfinite().all()
