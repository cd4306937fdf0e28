"""The outcome of a step: what its reward gets, and what its info holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from data_select_gym.rewards import StepOutcome
from data_select_gym.training import StepRecord, TrainingRun


def step_outcome(record: StepRecord, action: Tensor, chosen: Tensor, price: float) -> StepOutcome:
    """What a reward gets, on the run's device.

    Args:
        record: of the step.
        action: float ``(P,)`` on the host, the scores that were given, or the keep mask.
        chosen: bool ``(P,)`` on the host, what the action keeps.
        price: of keeping a sample at that step.
    """
    device = record.train_loss.device
    kept = record.kept.to(device, non_blocking=True)
    return StepOutcome(
        recorded=record.recorded,
        fresh=record.fresh,
        kept=kept,
        action=action.to(device, non_blocking=True) * kept,
        minibatches=torch.split(record.trained, [len(positions) for positions in record.minibatches]),
        price=price,
        validation_gain=record.validation_gain,
        chosen=chosen.to(device, non_blocking=True) & kept,
    )


def problem_shares(record: StepRecord, problems: Mapping[str, Tensor]) -> dict[str, float]:
    """The shares of the kept samples that have known problems, 0 if nothing was kept.

    Args:
        record: of the step.
        problems: bool ``(N,)`` on the host by name, which training samples have one.
    """
    kept = max(1, record.kept.sum().item())
    return {name: (flags[record.indices] & record.kept).sum().item() / kept for name, flags in problems.items()}


def where_in_run(run: TrainingRun) -> dict[str, Any]:
    """The pool now shown, the cost so far and the progress of the run, as they stand in an info."""
    return {
        "pool_indices": run.pool.numpy().copy(),
        **costs(run),
        "epoch": run.epoch,
        "progress": run.progress,
        **skipped(run),
    }


def costs(run: TrainingRun) -> dict[str, float]:
    """The cost so far, and the cost in tokens where there is one."""
    return {"cost": run.cost} | ({} if run.token_cost is None else {"token_cost": run.token_cost})


def skipped(run: TrainingRun) -> dict[str, int]:
    """How many minibatches were skipped, if the run may skip any."""
    return {"skipped": run.skipped} if run.config.on_non_finite == "skip" else {}
