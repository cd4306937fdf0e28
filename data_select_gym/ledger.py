"""The last recorded signals of every training sample."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from data_select_gym.arguments import check_count
from data_select_gym.signals import Signals

# What stands for a sample that was never seen: as hard and as uncertain as can be.
UNSEEN = {
    "loss": math.inf,
    "uncertainty": 1.0,
    "confidence": 0.0,
    "margin": -1.0,
    "correct": False,
    "el2n": math.sqrt(2),
}
UNSEEN_ALIGNMENT = 0.0


class Ledger:
    """Column tensors with the last signals, visits and last visit of N samples.

    The default columns take 33 bytes a sample; embeddings take 2 D more, the alignment 4. Embeddings are kept in half
    precision: three digits, and infinite beyond 65,504. A sample that was never seen has an infinite loss and counts as
    uncertain, wrong and at the far end of every other signal.

    Attributes:
        columns: the signals by name, each of N rows.
        previous_loss: float32 ``(N,)``, the loss recorded before the last one; equal to it after the first record.
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
            alignment: whether to keep the alignment with the validation set's gradient; 0 where it was never seen.

        Raises:
            ValueError: ``size`` is below 1 or ``embedding_dim`` below 0.
        """
        self.size = check_count("size", size)
        check_count("embedding_dim", embedding_dim, least=0)
        self.columns = {name: torch.full((size,), value, device=device) for name, value in UNSEEN.items()}
        if embedding_dim:
            self.columns["embedding"] = torch.zeros(size, embedding_dim, dtype=torch.float16, device=device)
        if alignment:
            self.columns["alignment"] = torch.full((size,), UNSEEN_ALIGNMENT, device=device)
        self.previous_loss = torch.full((size,), math.inf, device=device)
        self.visits = torch.zeros(size, dtype=torch.int32, device=device)
        self.last_visit = torch.full((size,), -1, dtype=torch.int32, device=device)

    def read(self, indices: Tensor) -> Signals:
        """The recorded signals of the samples ``indices`` (int64 ``(n,)``), as copies."""
        return Signals(**{name: column[indices] for name, column in self.columns.items()})

    def record(self, indices: Tensor, signals: Signals) -> None:
        """Write the ``signals`` (n rows) of the samples ``indices`` (int64 ``(n,)``, distinct).

        Columns that the ledger does not keep are left out.

        Raises:
            ValueError: the numbers of rows differ, or a column that the ledger keeps is missing.
        """
        if len(signals) != len(indices):
            raise ValueError(f"signals has {len(signals)} rows for {len(indices)} indices; they must be as many")
        given = signals.columns()
        missing = self.columns.keys() - given.keys()
        if missing:
            raise ValueError(f"signals lacks {', '.join(sorted(missing))}, which this ledger keeps")
        before = self.columns["loss"][indices]
        self.previous_loss[indices] = torch.where(before.isinf(), given["loss"], before)
        for name, column in self.columns.items():
            column[indices] = given[name].to(column.dtype)

    def visit(self, indices: Tensor, step: int) -> None:
        """Count one visit of the samples ``indices`` (int64 ``(n,)``, distinct), trained on at ``step``."""
        self.visits[indices] += 1
        self.last_visit.index_fill_(0, indices, step)  # a GPU is waited for where a number is assigned

    def state(self) -> dict[str, Tensor]:
        """All columns by name, the ledger's own and not copies."""
        counts = {"previous_loss": self.previous_loss, "visits": self.visits, "last_visit": self.last_visit}
        return self.columns | counts

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take over the columns of another ledger of the same size and columns.

        Raises:
            ValueError: there are other columns, or one has another shape or type.
        """
        mine = self.state()
        if state.keys() != mine.keys():
            raise ValueError(f"the state has the columns {', '.join(state)}; this ledger has {', '.join(mine)}")
        for name, column in mine.items():
            if (state[name].shape, state[name].dtype) != (column.shape, column.dtype):
                raise ValueError(f"the state's column {name} is not {column.dtype} of shape {tuple(column.shape)}")
        for name, column in mine.items():
            column.copy_(state[name])

    @property
    def bytes_per_sample(self) -> float:
        """Memory of all columns over the number of samples, in bytes."""
        return sum(column.numel() * column.element_size() for column in self.state().values()) / self.size
