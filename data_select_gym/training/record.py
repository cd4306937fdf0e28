"""What one step of a run did."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from data_select_gym.signals import Signals
from data_select_gym.training.evaluator import Evaluation


@dataclass(frozen=True)
class StepRecord:
    """What one step did with its pool of P candidates.

    Attributes:
        indices: int64 ``(P,)`` on the host, the candidates.
        kept: bool ``(P,)`` on the host, which of them were trained on.
        minibatches: positions in the pool, int64 on the host, of the samples of each minibatch by which the model was
            updated. There are none if fewer than two samples were kept, since nothing was trained then.
        trained: the same positions, concatenated, int64 ``(k,)`` on the device.
        recorded: the signals recorded before the step, P rows on the device.
        fresh: the signals of the step's forward pass, P rows on the device; for dropped samples those recorded.
        train_loss: mean loss of the trained samples, one value on the device; 0 if none was trained.
        evaluations: that ran in this step, in order; more than one if the annealing epochs followed.
        validation_gain: by how much the step lowered the mean loss on a batch of the validation set, one value on the
            device; None if the run does not measure it.
    """

    indices: Tensor
    kept: Tensor
    minibatches: tuple[Tensor, ...]
    trained: Tensor
    recorded: Signals
    fresh: Signals
    train_loss: Tensor
    evaluations: tuple[Evaluation, ...] = ()
    validation_gain: Tensor | None = None
