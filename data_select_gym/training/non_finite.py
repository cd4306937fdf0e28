"""What happens when the loss of a minibatch is not finite."""

from __future__ import annotations

import warnings

from torch import Tensor, nn

NAMED = 8


class NonFiniteLossError(ArithmeticError):
    """The loss of a minibatch, or its gradient, is not finite.

    The model is as it was before that minibatch, and nothing of its pool is recorded.
    """


class NonFiniteLosses:
    """Stops a run at a loss that is not finite, or counts the minibatches that are skipped and warns of the first.

    Attributes:
        action: ``"stop"`` or ``"skip"``.
        skipped: minibatches that were skipped so far.
    """

    def __init__(self, action: str) -> None:
        self.action = action
        self.skipped = 0

    def handle(self, samples: Tensor, losses: Tensor, model: nn.Module, where: str) -> None:
        """Raise, or count and warn once.

        Args:
            samples: int64 ``(n,)`` on the host, the training samples of the minibatch.
            losses: float ``(n,)``, of them.
            model: that gave them.
            where: in the run, for the message.

        Raises:
            NonFiniteLossError: the action is ``"stop"``.
        """
        if self.action == "stop" or not self.skipped:
            message = _message(samples, losses.cpu(), model, where)
            if self.action == "stop":
                raise NonFiniteLossError(f"{message}; on_non_finite='skip' would go on without such minibatches")
            warnings.warn(f"{message}; this and all later such minibatches are skipped", RuntimeWarning, stacklevel=2)
        self.skipped += 1


def _message(samples: Tensor, losses: Tensor, model: nn.Module, where: str) -> str:
    wrong = samples[~losses.isfinite()]
    if len(wrong):
        what = f"{len(wrong)} of the {len(samples)} losses of a minibatch are not finite, of the training samples"
    else:
        wrong = samples
        what = f"the {len(samples)} losses of a minibatch are finite, but not their mean or its gradient; they are of"
    names = ", ".join(map(str, wrong[:NAMED].tolist())) + (", ..." if len(wrong) > NAMED else "")
    message = f"{what} {names}; {where}"
    if not all(bool(weights.isfinite().all()) for weights in model.parameters()):
        message += "; the model's weights are not finite either"
    return message
