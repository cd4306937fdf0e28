import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_select_gym.signals import Signals, alignment, last_layer_gradient
from data_select_gym.tasks.language import language_objective
from data_select_gym.tasks.language.language_objective import IGNORED, Answers, LanguageModelling, logits_at

# Log-probabilities that the model below gives after each token, for a vocabulary of three.
AFTER = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]).log()
TOKENS = torch.tensor([[0, 1, 1, 2], [2, 0, 2, 0]])
# Of the first sample three tokens are learned, of the second one.
TARGETS = torch.tensor([[IGNORED, 1, 1, 2], [IGNORED, IGNORED, 2, IGNORED]])


class Bigrams(nn.Module):
    """What it predicts depends on the present token alone; its embedding is that token's unit vector."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 3, bias=False)
        self.computed = 0
        with torch.no_grad():
            self.head.weight.copy_(AFTER.T)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(F.one_hot(tokens, 3).to(self.head.weight.dtype))
        self.computed += logits[..., 0].numel()
        return logits


def judged(targets: Tensor | Answers = TARGETS) -> tuple[Tensor, Signals]:
    return LanguageModelling()(Bigrams(), TOKENS, targets, embed=True)


def test_the_loss_is_the_mean_over_the_answers_tokens_and_each_place_predicts_the_next_by_hand() -> None:
    losses, signals = judged()
    assert losses.tolist() == pytest.approx([-(math.log(0.25) + math.log(0.8) + math.log(0.1)) / 3, -math.log(0.25)])
    assert signals.loss.tolist() == losses.tolist() and not signals.loss.requires_grad


def test_signals_are_means_over_the_answers_tokens_by_hand() -> None:
    _, signals = judged()
    entropies = [-(row.exp() * row).sum().item() / math.log(3) for row in AFTER]
    assert signals.uncertainty.tolist() == pytest.approx(
        [(entropies[0] + 2 * entropies[1]) / 3, entropies[0]], abs=1e-6
    )
    assert signals.confidence.tolist() == pytest.approx([(0.5 + 0.8 + 0.8) / 3, 0.5])
    assert signals.margin.tolist() == pytest.approx([((0.25 - 0.5) + (0.8 - 0.1) + (0.1 - 0.8)) / 3, 0.25 - 0.5])
    norms = [math.hypot(0.5, 0.75, 0.25), math.hypot(0.1, 0.2, 0.1), math.hypot(0.1, 0.8, 0.9)]
    assert signals.el2n.tolist() == pytest.approx([sum(norms) / 3, math.hypot(0.5, 0.25, 0.75)])
    assert signals.embedding is not None
    assert signals.embedding[0].tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    assert signals.embedding[1].tolist() == [1, 0, 0]


def test_an_answer_is_correct_if_every_token_of_it_is_the_likeliest() -> None:
    targets = torch.tensor([[IGNORED, IGNORED, 1, IGNORED], [IGNORED, 0, 2, IGNORED]])
    assert judged(targets)[1].correct.tolist() == [True, False]
    assert judged()[1].correct.tolist() == [False, False]


def test_signals_are_the_same_however_many_logits_are_taken_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = judged()
    monkeypatch.setattr(language_objective, "CHUNK", 6)
    _, cut = judged()
    for name, column in whole.columns().items():
        assert torch.equal(column, cut.columns()[name]), name


def test_logits_are_computed_at_the_answers_alone() -> None:
    model = Bigrams()
    LanguageModelling()(model, TOKENS, TARGETS, embed=False)
    assert model.computed == 4
    logits, hidden = logits_at(model, TOKENS, torch.tensor([2, 4, 7]), (2, 4))
    assert torch.allclose(logits, AFTER[[1, 2, 0]])
    assert hidden.argmax(dim=1).tolist() == [1, 2, 0]
    assert model(TOKENS).shape == (2, 4, 3)  # and at all places again when nobody asks for less


def test_targets_whose_count_is_known_give_the_same() -> None:
    losses, signals = judged()
    others, known = judged(Answers(TARGETS, 4))
    assert torch.equal(losses, others)
    for name, column in signals.columns().items():
        assert torch.equal(column, known.columns()[name]), name


def test_gradients_are_those_of_the_mean_cross_entropy() -> None:
    model = Bigrams()
    losses, _ = LanguageModelling()(model, TOKENS, TARGETS, embed=True)
    losses.mean().backward()  # type: ignore[no-untyped-call]
    other = Bigrams()
    logits = other(TOKENS)
    rows = [F.cross_entropy(logits[row, :-1], TARGETS[row, 1:], ignore_index=IGNORED) for row in range(2)]
    ((rows[0] + rows[1]) / 2).backward()  # type: ignore[no-untyped-call]
    assert model.head.weight.grad is not None and other.head.weight.grad is not None
    assert torch.allclose(model.head.weight.grad, other.head.weight.grad, atol=1e-7)


def test_losses_and_signals_are_in_full_precision_where_the_model_is_not() -> None:
    exact, _ = judged()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses, signals = judged()
    columns = [column for name, column in signals.columns().items() if name != "correct"]
    assert {column.dtype for column in (losses, *columns)} == {torch.float32}
    assert torch.allclose(losses, exact, atol=0.02)


def test_metrics_and_a_perplexity_in_which_each_token_counts_the_same() -> None:
    objective = LanguageModelling()
    metrics = objective.metrics(Bigrams(), TOKENS, TARGETS)
    losses, _ = judged()
    assert metrics["loss"].tolist() == losses.tolist()
    assert metrics["neg_loss"].tolist() == (-losses).tolist()
    assert metrics["tokens"].tolist() == [3, 1]
    reported = objective.summarise(metrics)
    assert reported["loss"] == -reported["neg_loss"] == pytest.approx(losses.mean().item())
    assert reported["perplexity"] == pytest.approx((0.25 * 0.8 * 0.1 * 0.25) ** (-1 / 4))
    assert set(reported) == {"neg_loss", "loss", "perplexity"} and objective.primary_metric in reported


def test_alignment_says_what_it_needs() -> None:
    _, signals = judged()
    for call in (lambda: last_layer_gradient(signals), lambda: alignment(signals, torch.zeros(3, 3))):
        with pytest.raises(ValueError, match=r"^alignment needs an objective whose signals hold embedding and error"):
            call()


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            TARGETS.float(),
            r"^targets are torch.float32 of shape \(2, 4\); language modelling needs int64 \(n, W\)$",
        ),
        (TARGETS[0], r"^targets are torch.int64 of shape \(4,\)"),
        (TARGETS[:, :3], r"^the model's last layer gets \(2, 4, 3\); for these targets it must be \(2, 3, 3\)$"),
        (Answers(TARGETS, 5), r"^targets have 4 tokens to learn after the first, and learned=5$"),
        (torch.tensor([[0, 1, 1, 2], [2] + [IGNORED] * 3]), r"^targets have 1 samples with no token to learn"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets: Tensor | Answers, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judged(targets)


class Wrapped(Bigrams):
    """Gives something else than logits."""

    def forward(self, tokens: Tensor) -> Any:
        return {"scores": super().forward(tokens)}


class Named(Bigrams):
    """Gives logits by that name, as models of transformers do."""

    def forward(self, tokens: Tensor) -> Any:
        return {"logits": super().forward(tokens)}


def test_logits_are_found_in_an_output_by_name() -> None:
    losses, _ = LanguageModelling()(Named(), TOKENS, TARGETS, embed=True)
    assert torch.equal(losses, LanguageModelling()(Bigrams(), TOKENS, TARGETS, embed=True)[0])


class Unused(Bigrams):
    """Does not use its last layer."""

    def forward(self, tokens: Tensor) -> Tensor:
        return AFTER[tokens]


def test_a_model_that_does_not_fit_is_refused_and_keeps_no_hook() -> None:
    for model, message in [
        (Wrapped(), "^the model's output is a dict; language modelling needs a tensor"),
        (Unused(), "^head=None: the model does not use this layer"),
    ]:
        with pytest.raises(ValueError, match=message):
            LanguageModelling()(model, TOKENS, TARGETS, embed=False)
        assert not model.head._forward_pre_hooks
    with pytest.raises(ValueError, match=r"^head='tail' is not an nn.Linear of the model; it has: head$"):
        LanguageModelling(head="tail").embedding_dim(Bigrams())
    assert LanguageModelling().embedding_dim(Bigrams()) == 3
