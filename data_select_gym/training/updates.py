"""Updates of a run's model, one for each minibatch, and what is done where a loss is not finite."""

from __future__ import annotations

import warnings
from itertools import compress
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from data_select_gym.signals import Signals
from data_select_gym.training.pools import fill

if TYPE_CHECKING:
    from data_select_gym.training.run import TrainingRun

NAMED = 8


class NonFiniteLossError(ArithmeticError):
    """The loss of a minibatch, or its gradient, is not finite.

    The model is as it was before that minibatch, and nothing of its pool is recorded.
    """


def update(
    run: TrainingRun, minibatches: tuple[Tensor, ...], weights: Tensor
) -> tuple[tuple[Tensor, ...], list[Signals]]:
    """Update the model on each minibatch of the pool now shown.

    Args:
        run: of which the model is.
        minibatches: positions in the pool, int64 on the host.
        weights: of the losses, float ``(P,)`` on the host.

    Returns:
        The minibatches by which the model was updated, and their signals: all but those that were skipped.

    Raises:
        NonFiniteLossError: the loss of one is not finite, and the run stops at that.
    """
    updated, parts = [], []
    of_each = torch.split(weights[torch.cat(minibatches)], [len(part) for part in minibatches])
    batches = run.source.batches(_samples(run, run.pool, minibatches), _to_come(run))
    with run.computing(), run.timer.phase("train"):
        loaded = run.timer.each("load", batches)
        for number, (part, own, batch) in enumerate(zip(minibatches, of_each, loaded, strict=True)):
            progress = (run.pool_number + number / len(minibatches)) / run.plan.total_pools
            signals, finite = run.trainer.update(*batch, weights=own, progress=progress, embed=run.config.embeds)
            parts.append(signals)
            updated.append(finite)
            if not finite:
                _skip(run, run.pool[part], signals.loss)
    return tuple(compress(minibatches, updated)), list(compress(parts, updated))


def _samples(run: TrainingRun, pool: Tensor, minibatches: tuple[Tensor, ...]) -> list[Tensor]:
    """What is read for the minibatches of a pool."""
    parts = [fill(part, run.batch_size) if run.config.compile else part for part in minibatches]
    return list(torch.split(pool[torch.cat(parts)], [len(part) for part in parts]))


def _to_come(run: TrainingRun) -> list[Tensor]:
    """What will be read for the next pool, if it is certain: within an epoch that is trained on in full."""
    plan, number = run.plan, run.pool_number + 1
    selecting = plan.warmup_pools <= run.pool_number < plan.anneal_start
    if selecting or number == plan.total_pools or number % plan.pools_per_epoch == 0:
        return []
    pool = run.pools[number]
    return _samples(run, pool, run.minibatches.ahead(pool))


def _skip(run: TrainingRun, samples: Tensor, losses: Tensor) -> None:
    """Raise an error, or count and once warn, of a minibatch of ``samples``, int64 ``(n,)``, with their ``losses``."""
    if run.config.on_non_finite == "stop" or not run.skipped:
        _tell(run, samples, losses.cpu())
    run.skipped += 1


def _tell(run: TrainingRun, samples: Tensor, losses: Tensor) -> None:
    """Raise an error, or warn, of a minibatch of ``samples``, int64 ``(n,)``, with ``losses``, float ``(n,)``."""
    wrong = samples[~losses.isfinite()]
    if len(wrong):
        what = f"{len(wrong)} of the {len(samples)} losses of a minibatch are not finite, of the training samples"
    else:
        wrong = samples
        what = f"the {len(samples)} losses of a minibatch are finite, but not their mean or its gradient; they are of"
    names = ", ".join(map(str, wrong[:NAMED].tolist())) + (", ..." if len(wrong) > NAMED else "")
    rate = max(group["lr"] for group in run.trainer.optimizer.param_groups)
    message = f"{what} {names}; epoch {run.epoch}, pool {run.pool_number}, learning rate {rate:g}"
    if not all(bool(weights.isfinite().all()) for weights in run.model.parameters()):
        message += "; the model's weights are not finite either"
    if run.config.on_non_finite == "stop":
        raise NonFiniteLossError(f"{message}; on_non_finite='skip' would go on without such minibatches")
    warnings.warn(f"{message}; this and all later such minibatches are skipped", RuntimeWarning, stacklevel=2)
