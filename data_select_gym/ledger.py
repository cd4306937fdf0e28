"""The last recorded signals of every training sample."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from data_select_gym.arguments import check_count
from data_select_gym.signals import Signals

# The signals of a sample that was never seen: as hard and as uncertain as possible.
UNSEEN = {
    "loss": math.inf,
    "uncertainty": 1.0,
    "confidence": 0.0,
    "margin": -1.0,
    "el2n": math.sqrt(2),
}
UNSEEN_ALIGNMENT = 0.0


class Ledger:
    """The last signals, the number of visits and the last visit of N samples, as columns.

    The values of a sample lie side by side in memory, and the columns are views of them. Reading and recording a pool
    takes one memory access a sample instead of one for each signal, so the time hardly depends on N.

    The default columns take 36 bytes a sample. Embeddings take 2 D more, the alignment 4. Embeddings are kept in half
    precision: three digits, and infinite beyond 65,504. A sample that was never seen has an infinite loss, and counts
    as uncertain, wrong and at the far end of every other signal.

    Attributes:
        columns: the signals by name, each with N rows.
        previous_loss: float32 ``(N,)``, the loss recorded before the last one; after the first record the same.
        visits: int32 ``(N,)``, how often each sample was trained on.
        last_visit: int32 ``(N,)``, the step at which it was last trained on; -1 for never.
    """

    def __init__(
        self, size: int, *, device: torch.device | str = "cpu", embedding_dim: int = 0, alignment: bool = False
    ) -> None:
        """Make an empty ledger.

        Args:
            size: N, the number of training samples.
            device: where the columns live.
            embedding_dim: D, the length of an embedding; 0 keeps none.
            alignment: whether to keep the alignment with the validation set's gradient; 0 for samples never seen.

        Raises:
            ValueError: ``size`` is below 1 or ``embedding_dim`` below 0.
        """
        self.size = check_count("size", size)
        embedding_dim = check_count("embedding_dim", embedding_dim, least=0)
        # A row: signals and previous loss, which are float32; then visits, last visit, and whether it was correct.
        unseen = UNSEEN | ({"alignment": UNSEEN_ALIGNMENT} if alignment else {})
        numbers = torch.tensor([*unseen.values(), math.inf], dtype=torch.float32).view(torch.int32)
        never = torch.cat([numbers, torch.tensor([0, -1, 0], dtype=torch.int32)])
        kept = {"rows": never.to(device).repeat(size, 1)}
        if embedding_dim:
            kept["embedding"] = torch.zeros(size, embedding_dim, dtype=torch.float16, device=device)
        self._show(tuple(unseen), kept)

    def _show(self, numbered: tuple[str, ...], kept: dict[str, Tensor]) -> None:
        """Make the columns from what is kept; those named ``numbered`` come first in the rows."""
        self._numbered, self._kept, self._rows = numbered, kept, kept["rows"]
        *signals, self.previous_loss = self._rows[:, :-3].view(torch.float32).unbind(1)
        self.visits, self.last_visit, _ = self._rows[:, -3:].unbind(1)
        # One of the four bytes of the last column; the others are 0.
        correct = self._rows.view(torch.bool)[:, -4]
        others = {name: tensor for name, tensor in kept.items() if name != "rows"}
        self.columns = dict(zip(numbered, signals, strict=True)) | {"correct": correct} | others

    def __getstate__(self) -> dict[str, Any]:
        # Views that are copied one by one would no longer share their memory.
        return {"size": self.size, "numbered": self._numbered, "kept": self._kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.size = state["size"]
        self._show(state["numbered"], state["kept"])

    def read(self, indices: Tensor) -> Signals:
        """The recorded signals of the samples ``indices`` (int64 ``(n,)``, from 0 to N - 1), as copies."""
        place = self._place(indices)
        rows = self._rows.index_select(0, place).T.contiguous()
        numbers = rows[: len(self._numbered)].view(torch.float32).unbind()
        embedding = self._kept.get("embedding")
        return Signals(
            **dict(zip(self._numbered, numbers, strict=True)),
            correct=rows[-1].bool(),
            embedding=None if embedding is None else embedding.index_select(0, place),
        )

    def record(self, indices: Tensor, signals: Signals, *, step: int | None = None) -> None:
        """Record the signals of samples. Columns that the ledger does not keep are ignored.

        Args:
            indices: int64 ``(n,)``, which samples, from 0 to N - 1 and distinct.
            signals: of the samples, n rows.
            step: at which they were trained on, at least 0, which counts as a visit; None if they were not.

        Raises:
            ValueError: the numbers of rows differ, a column that the ledger keeps is missing, or ``step`` is below 0.
        """
        if len(signals) != len(indices):
            raise ValueError(f"signals has {len(signals)} rows for {len(indices)} indices; they must be as many")
        given = signals.columns()
        missing = self.columns.keys() - given.keys()
        if missing:
            raise ValueError(f"signals lacks {', '.join(sorted(missing))}, which this ledger keeps")
        if step is not None:
            step = check_count("step", step, least=0)
        place = self._place(indices)
        rows = self._rows.index_select(0, place)
        numbers = rows[:, :-3].view(torch.float32)
        before = numbers[:, 0]
        previous = torch.where(before.isinf(), given["loss"], before)
        numbers.copy_(torch.stack([*(given[name].float() for name in self._numbered), previous], dim=1))
        if step is not None:
            rows[:, -3].add_(1)
            rows[:, -2].fill_(step)
        rows.view(torch.bool)[:, -4] = given["correct"]
        self._rows.index_copy_(0, place, rows)
        if "embedding" in self._kept:
            self._kept["embedding"].index_copy_(0, place, given["embedding"].half())

    def _place(self, indices: Tensor) -> Tensor:
        return indices.to(self._rows.device, non_blocking=True)

    def state_dict(self) -> dict[str, Tensor]:
        """All that is kept, the rows bit by bit and the embeddings, as the ledger's own tensors and not copies."""
        return dict(self._kept)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Copy what another ledger of the same size and columns keeps.

        Raises:
            ValueError: it keeps other tensors, or one of another shape or type.
        """
        mine = self._kept
        if state.keys() != mine.keys():
            raise ValueError(f"the state has the tensors {', '.join(state)}; this ledger has {', '.join(mine)}")
        for name, tensor in mine.items():
            if (state[name].shape, state[name].dtype) != (tensor.shape, tensor.dtype):
                raise ValueError(f"the state's {name} is not {tensor.dtype} of shape {tuple(tensor.shape)}")
        for name, tensor in mine.items():
            tensor.copy_(state[name])

    @property
    def bytes_per_sample(self) -> float:
        """Memory that the ledger takes for each sample, in bytes."""
        return sum(tensor.nbytes for tensor in self._kept.values()) / self.size
