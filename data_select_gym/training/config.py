"""How a model is trained: the settings of a run, in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from data_select_gym.arguments import check_choice, check_count, check_flag, check_share
from data_select_gym.training.device import check_device

ON_NON_FINITE = ("stop", "skip")
# What a run records or measures beside losses, and what that costs is in its plan.
RECORDS = ("embedding", "alignment", "validation_gain", "fresh")


@dataclass(frozen=True)
class RunConfig:
    """The settings of a run: how a task is trained, beside its recipe.

    Change one with :func:`dataclasses.replace`.

    Example:
        >>> from dataclasses import replace
        >>> config = RunConfig(warmup_epochs=2, record={"embedding"})
        >>> replace(config, schedule_fraction=0.5).warmup_epochs
        2

    Attributes:
        pool_size: P, at least 2 and at most the size of the training set, which :class:`Plan` checks; None for eight
            minibatches, or the training set if that is smaller.
        warmup_epochs: the first epochs, trained on all data.
        anneal_fraction: share of the epochs at the end that are trained on all data, in [0, 1].
        schedule_fraction: share of the recipe that is run, its schedule compressed, in (0, 1].
        device: a torch device, or ``"auto"`` for a GPU if there is one.
        channels_last: whether images, and the weights of convolutions over them, lie channels last in memory.
        compile: whether the model's updates are compiled by ``torch.compile``, on a GPU with CUDA graphs. Then all
            minibatches have the recipe's batch size. Where fewer samples are left, they are repeated to fill one. That
            counts in the cost as if they were trained on again, and otherwise only changes the statistics of batch
            normalisation.
        on_non_finite: what happens when the loss of a minibatch is not finite, or the norm of its gradient if the
            recipe limits that. ``"stop"`` raises a :class:`NonFiniteLossError`. ``"skip"`` goes on without that
            minibatch: it leaves no trace in the model and the ledger, and its samples count as not kept, but in the
            cost as trained on. The first one gives a warning.
        record: what is recorded or measured beside losses, a set of these names:

            - ``"embedding"``: the ledger keeps embeddings.
            - ``"alignment"``: the ledger keeps each sample's alignment with the gradient of the validation loss in the
              last layer. That takes a small extra forward pass before each pool up to the annealing epochs, which the
              cost includes.
            - ``"validation_gain"``: each selection step measures by how much it lowers the validation loss. That takes
              a small extra forward pass before it and one after it, which the cost includes.
            - ``"fresh"``: the plan's costs include an extra forward pass over each pool of which something is
              selected, which :meth:`TrainingRun.read_pool` takes with ``fresh=True``.

    Raises:
        ValueError: a value is out of its range or unknown.
        TypeError: a value is of the wrong type.
    """

    pool_size: int | None = None
    warmup_epochs: int = 1
    anneal_fraction: float = 0.125
    schedule_fraction: float = 1.0
    device: str | torch.device = "auto"
    channels_last: bool = False
    compile: bool = False
    on_non_finite: str = "stop"
    record: AbstractSet[str] = frozenset()

    def __post_init__(self) -> None:
        check_fields(self, CHECKS)

    @property
    def embeds(self) -> bool:
        """Whether forward passes give embeddings: they are recorded, or the alignment is computed from them."""
        return not self.record.isdisjoint({"embedding", "alignment"})


def check_fields(instance: Any, checks: Mapping[str, Callable[[str, Any], Any]]) -> None:
    """Replace fields of a frozen dataclass by their checked values.

    Numbers of NumPy become Python's, which checkpoints can hold.
    """
    for name, check in checks.items():
        object.__setattr__(instance, name, check(name, getattr(instance, name)))


def _check_record(name: str, value: Iterable[str]) -> frozenset[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name}={value!r:.100} is not a set of names; known are: {', '.join(RECORDS)}")
    return frozenset(check_choice(name, each, RECORDS) for each in value)


# A plan has these too.
SCHEDULE_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "warmup_epochs": partial(check_count, least=0),
    "anneal_fraction": partial(check_share, zero=True),
    "schedule_fraction": check_share,
}
CHECKS: dict[str, Callable[[str, Any], Any]] = SCHEDULE_CHECKS | {
    "device": lambda name, value: check_device(value),
    "channels_last": check_flag,
    "compile": check_flag,
    "on_non_finite": partial(check_choice, known=ON_NON_FINITE),
    "record": _check_record,
}
