"""Extra abilities that a dataset can declare by its base classes, beyond what PyTorch asks for.

- :class:`Sliced`, and with other labels :class:`Stored`: gives parts of itself; any other dataset is wrapped;
- :class:`Measured`: knows the sizes of its samples, so that minibatches can hold samples of similar size;
- :class:`Batched`: makes whole batches; any other dataset is read sample by sample.

In a dataset of another class, attributes and methods of these names mean nothing. Use ``Stored.register(Other)`` for a
class that you cannot change. A subclass that overrides ``__getitem__`` changes what a sample is: methods that it
inherits are then ignored, and it is read and wrapped like any other dataset.
"""

from __future__ import annotations

import math
from abc import ABC, ABCMeta, abstractmethod
from typing import Any, TypeAlias, TypeGuard

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

# Inputs and targets: tensors, or tensors in dicts, lists and tuples.
Batch: TypeAlias = tuple[Any, Any]


class Sliced(ABC):
    """A dataset that can give a part of itself without a wrapper around each sample."""

    @abstractmethod
    def rows(self, indices: Tensor) -> Dataset[Any]:
        """The dataset of the rows at ``indices``, int64 ``(k,)`` on the host."""


class Stored(Sliced):
    """A dataset that can give a part of itself, and itself with other labels, without a wrapper around each sample.

    Attributes:
        targets: int64 ``(n,)``, the labels, which are trusted without opening a sample.
    """

    targets: Tensor

    @abstractmethod
    def relabelled(self, targets: Tensor) -> Dataset[Any]:
        """The same inputs with the labels ``targets``, int64 ``(n,)`` on the host."""


class Measured(ABC):
    """A dataset that knows the sizes of its samples.

    Attributes:
        lengths: sizes of the samples, whole numbers ``(n,)``; None if they are unknown after all.
    """

    lengths: Tensor | None


class Batched(ABC):
    """A dataset that makes whole batches by tensor operations."""

    @abstractmethod
    def to(self, device: torch.device) -> Batched:
        """A copy whose batches are made on a device."""

    @abstractmethod
    def batch(self, indices: Tensor) -> Batch:
        """Inputs and targets of the rows at ``indices``, int64 ``(k,)`` on the host."""


def is_sliced(dataset: Dataset[Any]) -> TypeGuard[Sliced]:
    """Whether it declares that it gives parts of itself."""
    return has_methods(dataset, Sliced, "__getitem__")


def is_stored(dataset: Dataset[Any]) -> TypeGuard[Stored]:
    """Whether it declares that it gives parts of itself, and itself with other labels."""
    return has_methods(dataset, Stored, "__getitem__")


def is_batched(dataset: Dataset[Any]) -> TypeGuard[Batched]:
    """Whether it declares that it makes whole batches."""
    return has_methods(dataset, Batched, "__getitem__")


def is_measured(dataset: Dataset[Any]) -> TypeGuard[Measured]:
    """Whether it declares that it knows the sizes of its samples."""
    return issubclass(type(dataset), Measured)


def is_resident(dataset: Dataset[Any]) -> TypeGuard[TensorDataset]:
    """Whether it is a plain ``TensorDataset`` of inputs and targets."""
    return type(dataset) is TensorDataset and len(dataset.tensors) == 2


def has_methods(value: Any, kind: ABCMeta, main: str) -> bool:
    """Whether a class is of a kind, with methods of that kind that still fit its ``main`` method.

    This checks the class and not the object, since a wrapper may forward any attribute.

    Args:
        value: an object.
        kind: an abstract base class.
        main: name of the method that defines the object. A derived class may override it, and then the methods of the
            base class no longer fit.
    """
    if not issubclass(type(value), kind):
        return False
    classes = type(value).__mro__

    def place(name: str) -> float:
        return next((number for number, each in enumerate(classes) if name in vars(each)), math.inf)

    return all(place(name) <= place(main) and place(name) < math.inf for name in kind.__abstractmethods__)
