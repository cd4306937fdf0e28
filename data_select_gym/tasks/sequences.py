"""Token sequences of different lengths in one flat tensor.

Not PyTorch's: its nested tensors cannot be indexed by rows, and ``pad_sequence`` needs a tensor object for each text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Sequences:
    """n sequences of tokens; a batch is padded to its longest.

    They take four bytes a token and sixteen a sequence.

    Attributes:
        tokens: int32 ``(T,)`` on any device, all sequences one after another.
        starts: int64 ``(n,)`` on the host, where each begins.
        lengths: int64 ``(n,)`` on the host.
    """

    tokens: Tensor
    starts: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, sequences: Iterable[Sequence[int]]) -> Sequences:
        """Store sequences.

        Raises:
            ValueError: there is none, or one has no token.
        """
        rows = list(sequences)
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        if not len(rows) or not lengths.all():
            raise ValueError("sequences: there must be at least one, and each must have a token")
        tokens = np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=int(lengths.sum()))
        return cls(torch.from_numpy(tokens), lengths.cumsum(0) - lengths, lengths)

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.lengths)

    def __getitem__(self, index: int) -> Tensor:
        """The tokens of one sequence, int64 ``(length,)``."""
        start = int(self.starts[index])
        return self.tokens[start : start + int(self.lengths[index])].long()

    def to(self, device: torch.device) -> Sequences:
        """A copy with its tokens on a device."""
        return replace(self, tokens=self.tokens.to(device))

    def rows(self, indices: Tensor) -> Sequences:
        """The sequences at ``indices``, int64 ``(k,)`` on the host; the tokens are shared."""
        return replace(self, starts=self.starts[indices], lengths=self.lengths[indices])

    def joined(self, other: Sequences) -> Sequences:
        """These sequences, and the ``other`` ones after them; the tokens are on the device of these."""
        return Sequences(
            torch.cat([self.tokens, other.tokens.to(self.tokens.device)]),
            torch.cat([self.starts, other.starts + len(self.tokens)]),
            torch.cat([self.lengths, other.lengths]),
        )

    def flat(self) -> Sequences:
        """The same sequences with tokens of their own, one sequence after another."""
        starts = self.lengths.cumsum(0) - self.lengths
        positions = torch.arange(int(self.lengths.sum())) + (self.starts - starts).repeat_interleave(self.lengths)
        return Sequences(self.tokens[positions.to(self.tokens.device)], starts, self.lengths)

    def padded(self, indices: Tensor, fill: int) -> tuple[Tensor, Tensor]:
        """The sequences at ``indices``, padded on the right.

        The width is known on the host, so the device is not waited for.

        Args:
            indices: int64 ``(k,)`` on the host.
            fill: token in the empty places.

        Returns:
            The tokens, int64 ``(k, W)`` with W the longest length, and a mask of the places with a token, bool
            ``(k, W)``; both on the device of the tokens.
        """
        device = self.tokens.device
        lengths, starts = self.lengths[indices], self.starts[indices]
        places = torch.arange(int(lengths.max()), device=device)
        there = places < lengths.to(device, non_blocking=True).unsqueeze(1)
        # An empty place reads the sequence's first token, so no read is out of bounds.
        positions = starts.to(device, non_blocking=True).unsqueeze(1) + torch.where(there, places, 0)
        return torch.where(there, self.tokens[positions].long(), fill), there
