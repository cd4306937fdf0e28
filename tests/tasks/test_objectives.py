import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_select_gym.tasks import Classification, Regression
from data_select_gym.tasks.detection import Detection
from data_select_gym.tasks.language.language_objective import LanguageModelling

INPUTS = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.0]])
TARGETS = torch.tensor([0, 2, 1])


def perceptron() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))


class Given(nn.Module):
    """Gives the same output whatever the input."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def forward(self, inputs: Tensor) -> Any:
        return self.output


def test_losses_are_the_cross_entropy_of_each_sample_by_hand() -> None:
    logits = torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]).log()
    losses, signals = Classification()(Given(logits), INPUTS[:2], torch.tensor([0, 2]), embed=False)
    assert losses.tolist() == pytest.approx([-math.log(0.7), -math.log(0.5)])
    assert signals.loss.tolist() == losses.tolist()
    assert signals.margin.tolist() == pytest.approx([0.5, 0.25])
    assert signals.embedding is None


def test_losses_carry_gradients_and_signals_do_not() -> None:
    model = perceptron()
    losses, signals = Classification()(model, INPUTS, TARGETS, embed=True)
    losses.mean().backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not any(column.requires_grad for column in signals.columns().values())


def test_label_smoothing_is_in_the_training_loss_alone() -> None:
    objective, model = Classification(label_smoothing=0.3), Given(torch.tensor([[0.7, 0.2, 0.1]]).log())
    losses, signals = objective(model, INPUTS[:1], torch.tensor([0]), embed=False)
    # 0.7 of -log 0.7 and 0.1 of each of -log 0.7, -log 0.2 and -log 0.1
    expected = -0.7 * math.log(0.7) - 0.1 * (math.log(0.7) + math.log(0.2) + math.log(0.1))
    assert losses.item() == pytest.approx(expected)
    assert signals.loss.item() == pytest.approx(expected)
    assert objective.metrics(model, INPUTS[:1], torch.tensor([0]))["loss"].item() == pytest.approx(-math.log(0.7))


def test_metrics_by_hand() -> None:
    logits = torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]).log()
    metrics = Classification().metrics(Given(logits), INPUTS[:2], torch.tensor([1, 2]))
    assert metrics["accuracy"].tolist() == [0, 1]
    assert metrics["loss"].tolist() == pytest.approx([-math.log(0.2), -math.log(0.5)])
    assert Classification.primary_metric in metrics


def test_the_embedding_is_the_input_of_the_last_layer() -> None:
    model = perceptron()
    _, signals = Classification()(model, INPUTS, TARGETS, embed=True)
    weight, bias, *_ = model.parameters()
    assert signals.embedding is not None
    assert torch.allclose(signals.embedding, torch.tanh(INPUTS @ weight.T + bias))
    assert Classification().embedding_dim(model) == 4


def test_the_last_layer_may_be_named() -> None:
    model, objective = perceptron(), Classification(head="0")
    _, signals = objective(model, INPUTS, TARGETS, embed=True)
    assert signals.embedding is not None and torch.equal(signals.embedding, INPUTS)
    assert objective.embedding_dim(model) == 2


def test_asking_for_the_embedding_changes_nothing_else_and_leaves_no_hook() -> None:
    model, objective = perceptron(), Classification()
    plain, _ = objective(model, INPUTS, TARGETS, embed=False)
    embedded, _ = objective(model, INPUTS, TARGETS, embed=True)
    assert torch.equal(plain, embedded)
    with pytest.raises(RuntimeError):
        objective(model, INPUTS[:, :1], TARGETS, embed=True)
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("head", ["1", "5", "head"])
def test_a_head_that_is_no_linear_layer_is_refused_with_those_that_are(head: str) -> None:
    with pytest.raises(ValueError, match=rf"^head='{head}' is not an nn.Linear of the model; it has: 0, 2$"):
        Classification(head=head).embedding_dim(perceptron())


def test_a_model_without_a_linear_layer_has_no_embedding() -> None:
    with pytest.raises(ValueError, match=r"^head=None is not an nn.Linear of the model; it has: none$"):
        Classification()(Given(torch.zeros(3, 3)), INPUTS, TARGETS, embed=True)


class UnusedHead(nn.Module):
    """Its last linear layer is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(2, 3), nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.used(inputs)  # type: ignore[no-any-return]


def test_a_last_layer_that_is_not_used_is_refused() -> None:
    with pytest.raises(ValueError, match=r"head=None"):
        Classification()(UnusedHead(), INPUTS, TARGETS, embed=True)
    _, signals = Classification(head="used")(UnusedHead(), INPUTS, TARGETS, embed=True)
    assert signals.embedding is not None and torch.equal(signals.embedding, INPUTS)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (torch.zeros(3), r"torch.float32 of shape \(3,\)"),
        (torch.zeros(3, 1), r"torch.float32 of shape \(3, 1\)"),
        (torch.zeros(2, 4), r"torch.float32 of shape \(2, 4\)"),
        (torch.zeros(3, 4, 5), r"torch.float32 of shape \(3, 4, 5\)"),
        (torch.zeros(3, 4, dtype=torch.int64), r"torch.int64 of shape \(3, 4\)"),
        ((torch.zeros(3, 4), None), "tuple"),
    ],
)
def test_an_output_that_is_no_logits_is_refused(output: Any, message: str) -> None:
    for call in (
        lambda: Classification()(Given(output), INPUTS, TARGETS, embed=False),
        lambda: Classification().metrics(Given(output), INPUTS, TARGETS),
    ):
        with pytest.raises(ValueError, match=rf"^the model's output is a?\s?{message}; classification needs"):
            call()


@pytest.mark.parametrize("targets", [TARGETS.float(), TARGETS > 0, TARGETS[0], F.one_hot(TARGETS)])
def test_targets_that_are_no_labels_are_refused(targets: Tensor) -> None:
    for call in (
        lambda: Classification()(perceptron(), INPUTS, targets, embed=False),
        lambda: Classification().check_targets(targets),
    ):
        with pytest.raises(
            ValueError, match=r"^targets are torch.* classification needs whole numbers of shape \(n,\) or \(n, 1\)$"
        ):
            call()


def test_targets_that_are_no_tensor_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^targets are a list, \['cat', 'dog'\]; .* so number the classes from 0$"):
        Classification().check_targets(["cat", "dog"])


@pytest.mark.parametrize("targets", [TARGETS.int(), TARGETS.to(torch.uint8), TARGETS.unsqueeze(1)])
def test_labels_may_be_whole_numbers_of_any_type_and_in_a_column(targets: Tensor) -> None:
    model, objective = perceptron(), Classification()
    (losses, signals), (expected, same) = (objective(model, INPUTS, each, embed=True) for each in (targets, TARGETS))
    assert torch.equal(losses, expected) and torch.equal(signals.margin, same.margin)
    mine, plain = (objective.metrics(model, INPUTS, each) for each in (targets, TARGETS))
    assert all(torch.equal(mine[name], plain[name]) for name in plain)
    assert objective.classes(targets).dtype == torch.int64 and torch.equal(objective.classes(targets), TARGETS)


@pytest.mark.parametrize("label_smoothing", [-0.1, 1.1, math.nan])
def test_label_smoothing_is_checked(label_smoothing: float) -> None:
    with pytest.raises(ValueError, match=r"^label_smoothing=.* is not a number in \[0, 1\]$"):
        Classification(label_smoothing=label_smoothing)


class HeadFirst(nn.Module):
    """Its last layer is defined before the others."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.body = nn.Linear(4, 3), nn.Linear(2, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs).relu())  # type: ignore[no-any-return]


class OverPositions(HeadFirst):
    """Its last layer gives logits at each of two positions, of which the mean is taken."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(torch.stack([inputs, -inputs], dim=1)).mean(dim=1)


def test_a_last_linear_layer_that_is_not_the_one_of_the_output_is_refused_unless_it_is_named() -> None:
    message = r"^head=None: the model's last nn\.Linear gives 4 values and the model 3, so it is another layer; name"
    for objective, targets in ((Classification(), TARGETS), (Regression(), torch.zeros(3, 3))):
        objective(HeadFirst(), INPUTS, targets, embed=False)
        with pytest.raises(ValueError, match=message):
            objective(HeadFirst(), INPUTS, targets, embed=True)
    for head, size in (("head", 4), ("body", 2)):
        _, signals = Classification(head=head)(HeadFirst(), INPUTS, TARGETS, embed=True)
        assert signals.embedding is not None and signals.embedding.shape == (3, size)


def test_a_layer_that_gets_more_than_an_embedding_of_each_sample_is_refused() -> None:
    message = r"^head='head': the layer gets \(3, 2, 4\); an embedding of each sample is needed, \(n, 4\), so name the"
    with pytest.raises(ValueError, match=message):
        Classification(head="head")(OverPositions(), INPUTS, TARGETS, embed=True)
    Classification(head="head")(OverPositions(), INPUTS, TARGETS, embed=False)


class Named(nn.Module):
    """A model with arguments by name and an output with logits, as those of transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 3)

    def forward(self, values: Tensor, mask: Tensor | None = None, labels: Tensor | None = None) -> Any:
        return OrderedDict(logits=self.head(values if mask is None else values * mask), hidden=values)


class Whole(nn.Module):
    """A model that takes the dict itself."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 3)

    def forward(self, batch: dict[str, Tensor], values: Tensor | None = None) -> Tensor:
        return self.head(batch["values"] * batch["mask"])  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", [Named, Whole])
def test_a_dict_of_inputs_is_given_as_the_model_takes_it_and_logits_are_found_in_its_output(
    kind: Callable[[], Any],
) -> None:
    model, mask = kind(), torch.tensor([1.0, 0.0])
    inputs: Any = {"values": INPUTS, "mask": mask.expand_as(INPUTS)}
    losses, signals = Classification()(model, inputs, TARGETS, embed=True)
    logits = model.head(INPUTS * mask)
    assert torch.equal(losses, F.cross_entropy(logits, TARGETS, reduction="none"))
    assert signals.embedding is not None and torch.equal(signals.embedding, INPUTS * mask)
    assert torch.equal(Classification().metrics(model, inputs, TARGETS)["loss"], losses)
    squared = Regression().metrics(model, inputs, F.one_hot(TARGETS).float())["mse"]
    assert torch.equal(squared, (logits - F.one_hot(TARGETS)).square().mean(dim=1))


def test_targets_of_a_regression_are_told_before_anything_is_trained() -> None:
    with pytest.raises(ValueError, match=r"^targets are torch.int64 of shape \(3,\); regression needs floating-point"):
        Regression().check_targets(TARGETS)
    with pytest.raises(ValueError, match=r"^targets are a list, \['low'\]; regression needs a tensor"):
        Regression().check_targets(["low"])


def test_inputs_in_double_precision_are_told_where_the_model_is_not() -> None:
    doubles, labels = torch.zeros(3, 2, dtype=torch.float64), torch.zeros(3, dtype=torch.int64)
    message = r"^the inputs are float64 and the model's weights are float32; give them one type, .* inputs\.float\(\)"
    for inputs in (doubles, {"input": doubles}):
        with pytest.raises(ValueError, match=message):
            Classification()(nn.Linear(2, 2), inputs, labels, embed=False)  # type: ignore[arg-type]
    losses, _ = Classification()(nn.Linear(2, 2).double(), doubles, labels, embed=False)
    assert losses.shape == (3,)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Classification()(nn.Linear(3, 2), doubles.float(), labels, embed=False)


class TopThree:
    """A mixin of version 0.1."""

    quality = "top3"


def test_a_derived_objective_may_name_its_metric_as_in_version_0_1() -> None:
    with pytest.warns(DeprecationWarning, match=r"^Own\.quality is called Own\.primary_metric now") as caught:

        class Own(Classification):
            quality = "top3"

        class Derived(Own):
            pass

    assert len(caught) == 1 and caught[0].filename == __file__
    assert Own.primary_metric == Own().primary_metric == Derived().primary_metric == "top3"
    with pytest.warns(DeprecationWarning, match=r"^Mixed\.quality is called Mixed\.primary_metric now"):

        class Mixed(TopThree, Regression):
            pass

    assert Mixed().primary_metric == "top3" and Regression.primary_metric == "neg_mse"


def test_an_objective_may_set_it_when_it_is_made() -> None:
    class Own(Classification):
        def __init__(self, metric: str) -> None:
            super().__init__()
            self.quality = metric

    with pytest.warns(DeprecationWarning, match=r"^Classification\.quality is called Classification\.primary_metric"):
        assert Own("top3").primary_metric == "top3"


@pytest.mark.parametrize("kind", [Classification, Regression, Detection, LanguageModelling])
def test_the_metric_of_bundled_objectives_can_be_read_as_in_version_0_1(kind: Any) -> None:
    with pytest.warns(DeprecationWarning, match=rf"^{kind.__name__}\.quality is called {kind.__name__}\.primary_m"):
        assert kind().quality == kind.primary_metric


def test_another_thing_of_the_old_name_is_left_alone() -> None:
    class Own(Classification):
        def quality(self, image: Any) -> float:
            return 0.5

    assert (Own().primary_metric, Own().quality(None)) == ("accuracy", 0.5)
