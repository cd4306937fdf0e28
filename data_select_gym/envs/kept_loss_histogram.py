"""Histogram of the recorded losses of kept samples over a run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from data_select_gym.arguments import check_count
from data_select_gym.rewards import rank
from data_select_gym.training import RunCallback, StepRecord
from data_select_gym.training.callbacks import Run

BANDS = 10
# So many steps are counted together, which takes little more than one.
TOGETHER = 32


class KeptLossHistogram(RunCallback):
    """Counts the kept samples of each step by tenths of the pool's recorded losses, on the device."""

    def __init__(self, steps: int, device: torch.device | str) -> None:
        """Allocate room for ``steps`` steps."""
        self.counts = torch.zeros(steps, BANDS, dtype=torch.int64, device=device)
        self.steps = 0
        self.waiting: list[tuple[Tensor, Tensor]] = []

    def on_pool_end(self, run: Run, record: StepRecord | None) -> None:
        if record is not None:
            self.count(record.recorded.loss, record.kept.to(self.counts.device, non_blocking=True))

    def count(self, loss: Tensor, kept: Tensor) -> None:
        """Count one step: recorded losses, float ``(P,)``, and the keep mask, bool ``(P,)``, on the device.

        Neither may be changed afterwards. A loss that is not a number counts as infinite.
        """
        self.waiting.append((loss, kept))
        self.steps += 1
        if len(self.waiting) == TOGETHER:
            self._count()

    def _count(self) -> None:
        """Count the steps that wait, whose pools are of one size."""
        if not self.waiting:
            return
        loss, kept = (torch.stack(column) for column in zip(*self.waiting, strict=True))
        tenths = (BANDS * rank(loss.nan_to_num(torch.inf, torch.inf, -torch.inf))).long().clamp_max(BANDS - 1)
        # Neither a mask as an index nor bincount, which would both wait for a GPU.
        self.counts[self.steps - len(self.waiting) : self.steps].scatter_add_(1, tenths, kept.long())
        self.waiting.clear()

    def thirds(self) -> list[list[float]]:
        """The tenths' shares of what was kept over the first, second and last third of the steps so far.

        They sum to 1, or are 0 where nothing was kept.
        """
        self._count()
        parts = self.counts[: self.steps].cpu().tensor_split(3)
        kept = torch.stack([part.sum(dim=0) for part in parts]).double()
        shares: list[list[float]] = (kept / kept.sum(dim=1, keepdim=True).clamp_min(1)).tolist()
        return shares

    def state_dict(self) -> dict[str, Any]:
        """The counts so far."""
        self._count()
        return {"counts": self.counts, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from another histogram's state.

        Raises:
            ValueError: it is of another number of steps.
        """
        self.steps = check_count("steps", state["steps"], least=0, most=len(self.counts))
        self.counts.copy_(state["counts"])
        self.waiting.clear()
