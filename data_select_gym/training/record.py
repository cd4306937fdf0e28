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
            updated; none if fewer than two samples were kept, and then nothing was trained.
        trained: the same, one after the other, int64 ``(k,)`` on the device.
        recorded: the signals recorded before the step, P rows on the device.
        fresh: the signals of the step's forward pass, P rows on the device; those of dropped samples as recorded.
        train_loss: mean loss of the trained samples, one value on the device; 0 if none was trained.
        evaluations: those that ran in this step, in order; more than one if the annealing epochs followed.
        validation_gain: fall of the mean loss on a batch of the validation set by the step, one value on the device;
            None where the run does not measure it.
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
