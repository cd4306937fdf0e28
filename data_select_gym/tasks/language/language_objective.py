"""Language modelling: an objective for token sequences of which some tokens are learned."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_select_gym.phase_timer import timed
from data_select_gym.signals import Signals, classification_signals
from data_select_gym.tasks.last_layer import call_model, check_width, find_last_layer
from data_select_gym.tasks.objectives import NamesMetric

# Marks a token that is not learned; transformers and PyTorch ignore the same value.
IGNORED = -100
# Signals are computed for this many logits at a time, so that intermediate values stay small beside the logits.
CHUNK = 2**24


class Answers(NamedTuple):
    """Targets of a batch with the number of learned tokens on the host.

    The host then need not wait for a GPU to count them.

    Attributes:
        labels: int64 ``(n, W)``, see :class:`LanguageModelling`.
        learned: how many tokens are learned, without those at the first place of a sample.
    """

    labels: Tensor
    learned: int


class LanguageModelling(NamesMetric):
    """Mean cross-entropy over a sample's answer, for models that give logits ``(n, W, V)`` for n sequences of W tokens.

    Targets are int64 ``(n, W)``: the token itself where it belongs to an answer, -100 elsewhere; or :class:`Answers`
    with these. Logits at a place are for the token at the next one. The model's last layer gets only the places that
    are needed, so anything after it in the model must treat each place separately.

    The signals of a sample are means over the tokens of its answer, except for ``correct``:

    - loss: of the cross-entropy;
    - uncertainty: of the entropy of the prediction over the logarithm of the vocabulary's size;
    - confidence: of the largest predicted probability;
    - margin: of the probability of the token minus the largest other one;
    - el2n: of the norm of prediction minus token;
    - embedding: of the input of the last layer, where the answer is predicted;
    - correct: whether every token of the answer is the likeliest;
    - error: none, so there is no alignment.
    """

    primary_metric = "neg_loss"

    def __init__(self, *, head: str | None = None) -> None:
        """Make the objective.

        Args:
            head: name of the model's last layer, as in ``model.named_modules()``. The last ``nn.Linear`` if None, which
                must be as wide as the output.
        """
        self.head = head

    def __call__(
        self, model: nn.Module, inputs: Any, targets: Tensor | Answers, *, embed: bool
    ) -> tuple[Tensor, Signals]:
        """The losses and signals of a batch, as :class:`~data_select_gym.tasks.Objective` says.

        Raises:
            ValueError: the model's output does not fit the targets, or a sample has no answer.
        """
        labels, counts, log_probabilities, hidden = self._predict(model, inputs, targets)
        losses = F.nll_loss(log_probabilities, labels, reduction="none")
        tokens = token_signals(log_probabilities.detach(), labels, losses)
        means = {
            name: _average(column, counts)
            for name, column in tokens.columns().items()
            if name not in ("loss", "correct")
        }
        wrong = _average((~tokens.correct).float(), counts)
        of_samples = _average(losses, counts)
        embedding = _average(hidden.detach().float(), counts) if embed else None
        return of_samples, Signals(loss=of_samples.detach(), correct=wrong == 0, embedding=embedding, **means)

    def metrics(self, model: nn.Module, inputs: Any, targets: Tensor | Answers) -> dict[str, Tensor]:
        """Loss, its negative (higher is better, as for any quality) and tokens of the answer, float ``(n,)``."""
        labels, counts, log_probabilities, _ = self._predict(model, inputs, targets)
        losses = _average(F.nll_loss(log_probabilities, labels, reduction="none"), counts)
        return {"neg_loss": -losses, "loss": losses, "tokens": counts.float()}

    def summarise(self, samples: dict[str, Tensor]) -> dict[str, float]:
        """Means over the samples, and the perplexity of the set, where every token counts the same."""
        losses, tokens = samples["loss"].double(), samples["tokens"].double()
        return {
            "neg_loss": -losses.mean().item(),
            "loss": losses.mean().item(),
            "perplexity": ((losses * tokens).sum() / tokens.sum()).exp().item(),
        }

    def embedding_dim(self, model: nn.Module) -> int:
        """Width of the last layer's input.

        Raises:
            ValueError: the model has no such layer, or it is not an ``nn.Linear``.
        """
        return find_last_layer(model, self.head).in_features

    def _predict(self, model: nn.Module, inputs: Any, given: Tensor | Answers) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Labels ``(k,)``, tokens of each answer ``(n,)``, log-probabilities ``(k, V)`` and embeddings ``(k, D)``."""
        targets, count = given if isinstance(given, Answers) else (given, None)
        if targets.dtype != torch.int64 or targets.ndim != 2:
            raise ValueError(
                f"targets are {targets.dtype} of shape {tuple(targets.shape)}; language modelling needs int64 (n, W)"
            )
        # The last place predicts nothing.
        following = F.pad(targets[:, 1:], (0, 1), value=IGNORED)
        answers = following != IGNORED
        counts = answers.sum(dim=1)
        if targets.device.type == "cpu" and not counts.all():
            raise ValueError(f"targets have {int((counts == 0).sum())} samples with no token to learn after the first")
        if targets.device.type == "cpu" and count not in (None, int(counts.sum())):
            raise ValueError(f"targets have {int(counts.sum())} tokens to learn after the first, and learned={count!r}")
        # Found by sorting, since nonzero() would wait for the GPU to count them.
        order = answers.flatten().to(torch.uint8).argsort(descending=True, stable=True)
        places = order[: int(counts.sum()) if count is None else count]
        logits, hidden = logits_at(model, inputs, places, targets.shape, self.head)
        labels = following.flatten().index_select(0, places)
        return labels, counts, logits.log_softmax(dim=1, dtype=torch.float32), hidden


def logits_at(
    model: nn.Module, inputs: Any, places: Tensor, shape: tuple[int, ...], head: str | None = None
) -> tuple[Tensor, Tensor]:
    """Logits at some places of a batch, without computing the others.

    Args:
        model: gives logits ``(n, W, V)``.
        inputs: its inputs.
        places: int64 ``(k,)``, counted sample by sample, so from 0 to n W - 1.
        shape: ``(n, W)``.
        head: of :class:`LanguageModelling`.

    Returns:
        Logits ``(k, V)``, in the order of the places, and the inputs of the last layer there, ``(k, D)``.

    Raises:
        ValueError: the model does not use its last layer once for all places, or its output is not logits.
    """
    layer = find_last_layer(model, head)
    seen: list[Tensor] = []

    # If compiled, it and all that comes before it would be for these places only.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def choose(_: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
        if given[0].shape[:-1] != shape:
            raise ValueError(
                f"the model's last layer gets {tuple(given[0].shape)}; for these targets it must be "
                f"{(*shape, layer.in_features)}"
            )
        seen.append(given[0].flatten(0, 1).index_select(0, places))
        return (seen[-1].unsqueeze(0),)

    hook = layer.register_forward_pre_hook(choose)
    try:
        logits = call_model(model, inputs)
    finally:
        hook.remove()
    if not seen:
        raise ValueError(f"head={head!r}: the model does not use this layer; name its last nn.Linear")
    if not isinstance(logits, Tensor) or logits.shape[:-1] != (1, len(places)):
        found = f"of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise ValueError(
            f"the model's output is {found}; language modelling needs a tensor of what its last layer gives"
        )
    check_width(layer, logits, head)
    return logits.squeeze(0), seen[-1]


@timed("signals")
def token_signals(log_probabilities: Tensor, labels: Tensor, losses: Tensor) -> Signals:
    """The signals of each token, k rows, for log-probabilities ``(k, V)`` and labels ``(k,)``."""
    rows = max(1, CHUNK // log_probabilities.shape[1])
    parts = zip(*(torch.split(values, rows) for values in (log_probabilities, labels, losses)), strict=True)
    return Signals.concatenated([classification_signals(*part) for part in parts])


def _average(values: Tensor, counts: Tensor) -> Tensor:
    """Means over the tokens of each sample, ``(n, ...)``, of values ``(k, ...)`` in sample order."""
    return torch.segment_reduce(values, "mean", lengths=counts, unsafe=True)
