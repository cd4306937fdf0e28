"""What a run costs: samples trained on and passed forward, and their tokens."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor

from data_select_gym.arguments import check_count
from data_select_gym.training.plan import FORWARD_COST, Plan
from data_select_gym.training.tokens import TokenCount


class CostMeter:
    """Counts what a run computes.

    Attributes:
        plan: of the run.
        trained: samples trained on so far.
        forwarded: samples only passed forward so far.
        tokens: the same in tokens; None if the samples have no lengths.
    """

    def __init__(self, plan: Plan, tokens: TokenCount | None) -> None:
        self.plan = plan
        self.trained = 0
        self.forwarded = 0
        self.tokens = tokens

    @property
    def cost(self) -> float:
        """Samples trained on, and a third of those only passed forward, over those that a full-data run trains on."""
        return (self.trained + FORWARD_COST * self.forwarded) / (self.plan.full_pools * self.plan.pool_size)

    @property
    def token_cost(self) -> float | None:
        """The cost in tokens: a sample counts as many as its length. None if the samples have no lengths.

        Padding does not count. It is also None after a checkpoint of a version that did not count tokens.
        """
        return None if self.tokens is None else self.tokens.cost

    def count_trained(self, samples: Tensor) -> None:
        """Count training samples, int64 ``(n,)`` on the host, that were trained on."""
        self.trained += len(samples)
        if self.tokens is not None:
            self.tokens.trained += int(self.tokens.lengths[samples].sum())

    def count_forwarded(self, samples: Tensor, *, validation: bool = False) -> None:
        """Count samples, int64 ``(n,)`` on the host, that were only passed forward.

        Args:
            samples: of the training set.
            validation: whether they are of the validation set instead.
        """
        self.forwarded += len(samples)
        if self.tokens is not None:
            lengths = self.tokens.validation if validation else self.tokens.lengths
            self.tokens.forwarded += int(lengths[samples].sum())

    def charge(
        self,
        *,
        trained: int = 0,
        forwarded: int = 0,
        trained_tokens: int | None = None,
        forwarded_tokens: int | None = None,
    ) -> None:
        """Count what was computed for the run outside it, such as the training of another model.

        Args:
            trained: samples trained on.
            forwarded: samples only passed forward.
            trained_tokens: tokens trained on; if None, ``trained`` times the mean length of a training sample.
            forwarded_tokens: tokens only passed forward; if None, ``forwarded`` times that mean length.
        """
        self.trained += trained
        self.forwarded += forwarded
        if self.tokens is not None:
            self.tokens.trained += self.tokens.usual(trained) if trained_tokens is None else trained_tokens
            self.tokens.forwarded += self.tokens.usual(forwarded) if forwarded_tokens is None else forwarded_tokens

    def state_dict(self) -> dict[str, Any]:
        """What was counted so far."""
        tokens = None if self.tokens is None else self.tokens.state_dict()
        return {"trained": self.trained, "forwarded": self.forwarded, "tokens": tokens}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from another meter's state.

        The state of a version that did not count tokens gives a warning. The tokens of this run are then not known.

        Raises:
            ValueError: a number is not a count.
        """
        self.trained = check_count("trained", state["trained"], least=0)
        self.forwarded = check_count("forwarded", state["forwarded"], least=0)
        if self.tokens is None:
            return
        if state.get("tokens") is not None:
            self.tokens.load_state_dict(state["tokens"])
            return
        if "tokens" not in state:
            warnings.warn(
                "the checkpoint is of a version that did not count tokens, so the token cost of this run is not known",
                stacklevel=5,
            )
        self.tokens = None
