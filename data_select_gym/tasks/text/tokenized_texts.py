"""Tokenised texts with labels, as a dataset that makes whole batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from data_select_gym.tasks.protocol import Batched, Measured, Stored
from data_select_gym.tasks.sequences import Sequences


class TokenizedTexts(Dataset[Any], Stored, Measured, Batched):
    """Texts of different lengths; a batch is padded to its longest.

    Attributes:
        sequences: the tokens of the texts.
        targets: int64 ``(n,)``, the labels.
        padding: the token in empty places.
        lengths: tokens of each text, int64 ``(n,)`` on the host.
    """

    def __init__(self, sequences: Sequences, targets: Tensor, padding: int) -> None:
        self.sequences = sequences
        self.targets = targets
        self.padding = padding
        self.lengths = sequences.lengths

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.sequences)

    def __getitem__(self, index: int) -> tuple[dict[str, Tensor], int]:
        """A text, as in a batch but of shape ``(W,)``, and its label."""
        tokens = self.sequences[index]
        return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens, dtype=torch.bool)}, int(
            self.targets[index]
        )

    def rows(self, indices: Tensor) -> TokenizedTexts:
        """The texts at ``indices``, int64 ``(k,)`` on the host."""
        return TokenizedTexts(self.sequences.rows(indices), self.targets[indices], self.padding)

    def joined(self, other: TokenizedTexts) -> TokenizedTexts:
        """These texts, and the ``other`` ones after them."""
        targets = torch.cat([self.targets, other.targets.to(self.targets.device)])
        return TokenizedTexts(self.sequences.joined(other.sequences), targets, self.padding)

    def scrambled(self, generator: torch.Generator) -> TokenizedTexts:
        """Texts of the same lengths with the tokens of all of them in random order."""
        flat = self.sequences.flat()
        order = torch.randperm(len(flat.tokens), generator=generator).to(flat.tokens.device)
        return TokenizedTexts(replace(flat, tokens=flat.tokens[order]), self.targets, self.padding)

    def relabelled(self, targets: Tensor) -> TokenizedTexts:
        """The same texts with other labels, int64 ``(n,)``."""
        return TokenizedTexts(self.sequences, targets, self.padding)

    def to(self, device: torch.device) -> TokenizedTexts:
        """A copy whose batches are made on a device."""
        return TokenizedTexts(self.sequences.to(device), self.targets.to(device), self.padding)

    def batch(self, indices: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Token numbers, int64 ``(k, W)``, with a mask of the same shape, and labels of the texts at ``indices``."""
        tokens, there = self.sequences.padded(indices, self.padding)
        targets = self.targets[indices.to(self.targets.device, non_blocking=True)]
        return {"input_ids": tokens, "attention_mask": there}, targets
