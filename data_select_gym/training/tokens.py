"""The cost of a run in tokens, where samples have lengths."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from data_select_gym.arguments import check_count
from data_select_gym.tasks import Task
from data_select_gym.tasks.data import lengths_of
from data_select_gym.training.plan import FORWARD_COST, Plan
from data_select_gym.training.pools import Pools


class TokenCount:
    """Counts the tokens that a run trains on and those that it only passes forward.

    A sample has as many as its length says. For a text those are all of its tokens, prompt and answer alike, since both
    are computed on. Padding does not count.

    Attributes:
        lengths: of the training samples, int64 ``(N,)`` on the host.
        validation: of the samples of the validation set, the same.
        full: tokens that a full-data run with the same pools trains on.
        trained: tokens trained on so far.
        forwarded: tokens only passed forward.
    """

    def __init__(self, lengths: Tensor, validation: Tensor, full: int) -> None:
        self.lengths = lengths
        self.validation = validation
        self.full = full
        self.trained = 0
        self.forwarded = 0

    @classmethod
    def of(cls, task: Task, plan: Plan, pool_seed: int) -> TokenCount | None:
        """A count for a run; None if the training or the validation set has no lengths, or one that is 0."""
        lengths, validation = lengths_of(task.train), lengths_of(task.validation)
        if lengths is None or validation is None or not (lengths > 0).all():
            return None
        return cls(lengths, validation, _full(lengths, plan, pool_seed))

    @property
    def cost(self) -> float:
        """Tokens trained on, and a third of those only passed forward, over those of a full-data run."""
        return (self.trained + FORWARD_COST * self.forwarded) / self.full

    def usual(self, samples: int) -> int:
        """Tokens of ``samples`` training samples of mean length."""
        return round(samples * self.lengths.double().mean().item())

    def state_dict(self) -> dict[str, Any]:
        """What was counted so far."""
        return {"trained": self.trained, "forwarded": self.forwarded}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from another count's state.

        Raises:
            ValueError: a number is not a count.
        """
        self.trained = check_count("trained", state["trained"], least=0)
        self.forwarded = check_count("forwarded", state["forwarded"], least=0)


def _full(lengths: Tensor, plan: Plan, pool_seed: int) -> int:
    """Tokens in all pools of a full-data run. Which samples are left over depends on the epoch's shuffle."""
    shown = plan.pools_per_epoch * plan.pool_size
    if shown == plan.samples:
        return int(lengths.sum()) * plan.epochs
    pools = Pools(plan, pool_seed)
    return sum(int(lengths[pools.shuffled(epoch)[:shown]].sum()) for epoch in range(plan.epochs))
