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
    "el2n": math.sqrt(2),
}
UNSEEN_ALIGNMENT = 0.0


class Ledger:
    """Columns with the last signals, visits and last visit of N samples.

    The numbers of a sample lie side by side, so that the time in which a pool is read and recorded hardly depends on
    N: it is that of one or two looks into memory for each sample, and not of one for each of its signals. The columns
    are views. The default ones take 33 bytes a sample; embeddings take 2 D more, the alignment 4. Embeddings are kept
    in half precision: three digits, and infinite beyond 65,504. A sample that was never seen has an infinite loss and
    counts as uncertain, wrong and at the far end of every other signal.

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
        unseen = UNSEEN | ({"alignment": UNSEEN_ALIGNMENT} if alignment else {})
        self._numbers = torch.tensor([*unseen.values(), math.inf], device=device).repeat(size, 1)
        *numbers, self.previous_loss = self._numbers.unbind(1)
        self._numbered = dict(zip(unseen, numbers, strict=True))
        self._others = {"correct": torch.zeros(size, dtype=torch.bool, device=device)}
        if embedding_dim:
            self._others["embedding"] = torch.zeros(size, embedding_dim, dtype=torch.float16, device=device)
        self.columns = self._numbered | self._others
        self._counts = torch.tensor([0, -1], dtype=torch.int32, device=device).repeat(size, 1)
        self.visits, self.last_visit = self._counts.unbind(1)

    def read(self, indices: Tensor) -> Signals:
        """The recorded signals of the samples ``indices`` (int64 ``(n,)``, from 0 to N - 1), as copies."""
        rows = self._place(indices)
        numbers = self._numbers.index_select(0, rows)[:, :-1].T.contiguous().unbind()
        others = {name: column[rows] for name, column in self._others.items()}
        return Signals(**dict(zip(self._numbered, numbers, strict=True)), **others)

    def record(self, indices: Tensor, signals: Signals) -> None:
        """Write the ``signals`` (n rows) of the samples ``indices`` (int64 ``(n,)``, from 0 to N - 1, distinct).

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
        rows = self._place(indices)
        before = self.columns["loss"][rows]
        previous = torch.where(before.isinf(), given["loss"], before)
        numbers = [given[name] for name in self._numbered] + [previous]
        self._numbers.index_copy_(0, rows, torch.stack([column.float() for column in numbers], dim=1))
        for name, column in self._others.items():
            column[rows] = given[name].to(column.dtype)

    def visit(self, indices: Tensor, step: int) -> None:
        """Count one visit of the samples ``indices`` (as for :meth:`record`), trained on at ``step``."""
        rows = self._place(indices)
        counts = self._counts.index_select(0, rows)
        counts[:, 0] += 1
        counts[:, 1].fill_(step)
        self._counts.index_copy_(0, rows, counts)

    def _place(self, indices: Tensor) -> Tensor:
        return indices.to(self._numbers.device, non_blocking=True)

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
