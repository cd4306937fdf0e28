"""Conversations as tokens, with labels for those of the answers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from data_select_gym.tasks.language.instructions import Conversation
from data_select_gym.tasks.language.language_objective import IGNORED, Answers
from data_select_gym.tasks.protocol import Batched, Measured, Sliced
from data_select_gym.tasks.sequences import Sequences
from data_select_gym.tasks.tokenization import encode, opening

# The places after the end of a sequence are masked and come after all that is learned, so any token will do.
FILLER = 0

TEMPLATES = {
    "system": "{}\n\n",
    "user": "### Instruction:\n{}\n\n### Response:\n",
    "assistant": "{}",
}


class Completions(Dataset[Any], Sliced, Measured, Batched):
    """Token sequences with the labels of their answers; it makes its own batches, padded on the right.

    A batch's input is a dict of ``input_ids`` and ``attention_mask``, int64 ``(n, W)``. Its target has labels int64
    ``(n, W)``, -100 where nothing is learned, and the count of the others.
    """

    def __init__(self, tokens: Sequences, labels: Sequences, counts: Tensor) -> None:
        """Make the dataset; ``labels`` has the token where it is learned, and -100 elsewhere.

        ``counts``, int64 ``(n,)`` on the host, has the number of learned tokens of each sample after its first token.
        """
        self.tokens = tokens
        self.labels = labels
        self.counts = counts
        self.lengths = tokens.lengths

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.tokens)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Tokens and labels of one sample, int64 ``(length,)`` each."""
        return self.tokens[index], self.labels[index]

    def to(self, device: torch.device) -> Completions:
        """A copy whose batches are made on a device."""
        return Completions(self.tokens.to(device), self.labels.to(device), self.counts)

    def rows(self, indices: Tensor) -> Completions:
        """The samples at ``indices``, int64 ``(k,)`` on the host."""
        return Completions(self.tokens.rows(indices), self.labels.rows(indices), self.counts[indices])

    def joined(self, other: Completions) -> Completions:
        """These samples, and the ``other`` ones after them."""
        counts = torch.cat([self.counts, other.counts])
        return Completions(self.tokens.joined(other.tokens), self.labels.joined(other.labels), counts)

    def scrambled(self, generator: torch.Generator) -> Completions:
        """Samples of the same form with the tokens of all of them in random order."""
        tokens, labels = self.tokens.flat(), self.labels.flat()
        mixed = tokens.tokens[torch.randperm(len(tokens.tokens), generator=generator).to(tokens.tokens.device)]
        learned = torch.where(labels.tokens == IGNORED, labels.tokens, mixed)
        return Completions(replace(tokens, tokens=mixed), replace(labels, tokens=learned), self.counts)

    def answered_by(self, others: Completions, most: int) -> Completions:
        """Prompts of these samples with the answers of the ``others``, one for each.

        An answer is what comes from the first learned token on, later turns of a conversation included.

        Args:
            others: with the answers.
            most: tokens that a sample may have; it is cut at its end.
        """
        tokens, labels, counts = [], [], []
        for index in range(len(self)):
            prompt, answer = self[index][0][: self._answer_at(index)], others._answer_at(index)
            row = torch.cat([prompt, others.tokens[index][answer:]])[:most]
            learned = torch.cat([torch.full_like(prompt, IGNORED), others.labels[index][answer:]])[:most]
            tokens.append(row.tolist())
            labels.append(learned.tolist())
            counts.append(int(learned[1:].ne(IGNORED).sum()))
        return Completions(Sequences.of(tokens), Sequences.of(labels), torch.tensor(counts))

    def answers(self) -> list[list[int]]:
        """The tokens of each sample from the first learned one on."""
        return [self.tokens[index][self._answer_at(index) :].tolist() for index in range(len(self))]

    def _answer_at(self, index: int) -> int:
        """Where the answer begins; the first token is never learned."""
        return 1 + int(self.labels[index][1:].ne(IGNORED).int().argmax())

    def batch(self, indices: Tensor) -> tuple[dict[str, Tensor], Answers]:
        """The samples at ``indices``, int64 ``(n,)`` on the host."""
        tokens, there = self.tokens.padded(indices, FILLER)
        labels, _ = self.labels.padded(indices, IGNORED)
        inputs = {"input_ids": tokens, "attention_mask": there.long()}
        return inputs, Answers(labels, int(self.counts[indices].sum()))


def render(conversation: Conversation) -> list[str]:
    """The texts of a conversation's turns up to its last answer; none without an answer."""
    answers = [number for number, turn in enumerate(conversation) if turn.role == "assistant" and turn.text.strip()]
    turns = conversation[: answers[-1] + 1] if answers else []
    return [TEMPLATES[turn.role].format(turn.text) for turn in turns]


def encode_conversations(
    conversations: Sequence[Conversation], tokenizer: Any, max_length: int, name: str
) -> Completions:
    """Tokens and labels of conversations.

    All turns of the assistant have labels, and so has the token for the end of a text after each. A sequence that is
    too long is cut at its end. A conversation with nothing to learn, because its answers are empty or were cut off, is
    left out. A warning counts both.

    Args:
        conversations: to encode.
        tokenizer: of transformers.
        max_length: tokens that a sequence may have.
        name: of the data, for the warning.

    Raises:
        ValueError: nothing is left.
    """
    rendered = [render(conversation) for conversation in conversations]
    pieces = iter(encode(tokenizer, [text for texts in rendered for text in texts]))
    start, end = opening(tokenizer), [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    tokens, labels, counts, cut = [], [], [], 0
    for conversation, texts in zip(conversations, rendered, strict=True):
        row, learned = list(start), [IGNORED] * len(start)
        for turn, piece in zip(conversation, islice(pieces, len(texts)), strict=False):
            answer = turn.role == "assistant" and bool(piece)
            added = piece + end if answer else piece
            row += added
            learned += added if answer else [IGNORED] * len(added)
        # The first token of a sequence is predicted from nothing, so it is never learned.
        count = sum(label != IGNORED for label in learned[1:max_length])
        if count:
            cut += len(row) > max_length
            tokens.append(row[:max_length])
            labels.append(learned[:max_length])
            counts.append(count)
    _warn(name, len(conversations), cut, len(conversations) - len(tokens), max_length)
    if not tokens:
        raise ValueError(f"{name}: no conversation has an answer within its first max_length={max_length} tokens")
    return Completions(Sequences.of(tokens), Sequences.of(labels), torch.tensor(counts))


def _warn(name: str, count: int, cut: int, left_out: int, max_length: int) -> None:
    if cut or left_out:
        warnings.warn(
            f"{name}: of {count} conversations {cut} are cut after max_length={max_length} tokens, and {left_out} are "
            "left out, as they have no answer up to there",
            stacklevel=3,
        )
