"""Custom collate functions, with a check of what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from data_select_gym.tasks.protocol import Batch


class PairError(ValueError):
    """A sample or a batch is not a pair of inputs and targets."""


class OtherLabel(NamedTuple):
    """A sample of any form, and the label that replaces its own."""

    sample: Any
    label: int


@dataclass(frozen=True)
class Collation:
    """Calls the function given as ``LoaderConfig(collate=...)``, which knows nothing of replaced labels.

    Attributes:
        function: from a list of samples to a pair of inputs and targets.
    """

    function: Callable[[list[Any]], Batch]

    def __call__(self, samples: list[Any]) -> Batch:
        """Make a batch of samples, any of which may be an :class:`OtherLabel`.

        Raises:
            PairError: the function returns something other than a pair, or not one target for each sample.
        """
        pair = self.function([each.sample if isinstance(each, OtherLabel) else each for each in samples])
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            kind = f"{type(pair).__name__}{f' of {len(pair)}' if isinstance(pair, list | tuple) else ''}"
            raise PairError(f"collate={self.function!r:.100} returned a {kind}; a pair of inputs and targets is needed")
        inputs, targets = pair
        found = sizes(targets)
        if found and len(samples) not in found:
            raise PairError(
                f"collate={self.function!r:.100} returned {max(found)} targets for {len(samples)} samples; one for "
                "each is needed, so leave broken samples out of the dataset itself"
            )
        labels = [each.label for each in samples if isinstance(each, OtherLabel)]
        return inputs, torch.tensor(labels, dtype=torch.int64) if labels else targets


def check_pair(sample: Any) -> tuple[Any, Any]:
    """Return a sample or a batch as a pair.

    Raises:
        PairError: it is not a pair.
    """
    if not isinstance(sample, list | tuple) or len(sample) != 2:
        raise PairError(
            f"the dataset gives a {type(sample).__name__}; it must give pairs of an input and a target, or have a "
            "batch made a pair by LoaderConfig(collate=...)"
        )
    return sample[0], sample[1]


def sizes(value: Any) -> set[int]:
    """All possible sizes of a batch or a part of one: the lengths of its tensors and lists."""
    if isinstance(value, Tensor | np.ndarray):
        return {len(value)} if value.ndim else set()
    if isinstance(value, Mapping):
        return set().union(*map(sizes, value.values()))
    if isinstance(value, list | tuple):
        return {len(value)}.union(*map(sizes, value))
    return set()
