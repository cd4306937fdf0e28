"""Inputs of some samples altered: by noise, or scrambled; of tensors at once, of other datasets as they are read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from data_select_gym.randomness import RNGScope
from data_select_gym.tasks.collation import check_pair
from data_select_gym.tasks.data import length, lengths_of
from data_select_gym.tasks.loaders import LoaderConfig, make_loader
from data_select_gym.tasks.protocol import Measured, Stored, is_batched, is_resident

CPU = torch.device("cpu")
# Samples from which the scale of inputs is measured where not all are in memory.
MEASURED = 64
# Samples altered at once, so that intermediate values stay small.
AT_ONCE = 1024
Alter = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Noise:
    """Adds Gaussian noise.

    Attributes:
        scale: its standard deviation.
        low: the least value of an input.
        high: the largest.
    """

    scale: float
    low: float
    high: float

    def __call__(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """A copy of ``inputs``, of float or uint8, with noise."""
        noise = torch.randn(inputs.shape, generator=generator, dtype=torch.float32).to(inputs.device)
        noisy = (inputs + self.scale * noise).clamp(self.low, self.high)
        return (noisy if inputs.is_floating_point() else noisy.round()).to(inputs.dtype)


def each_part(inputs: Tensor, generator: torch.Generator, alter: Alter) -> Tensor:
    """A copy of ``inputs``, altered some rows at a time."""
    changed = inputs.clone()
    for part in torch.split(changed, AT_ONCE):
        part.copy_(alter(part, generator))
    return changed


def scramble(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """A copy of one input with its numbers in random order."""
    order = torch.randperm(inputs.numel(), generator=generator).to(inputs.device)
    return inputs.flatten()[order].view(inputs.shape)


def scramble_each(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """A copy of ``inputs`` with the numbers of each row in an order of its own."""
    rows = inputs.flatten(1)
    order = torch.rand(rows.shape, generator=generator, dtype=torch.float32).argsort(1)
    return rows.gather(1, order.to(rows.device)).view(inputs.shape)


class Altered(Dataset[Any], Stored, Measured):
    """A map-style dataset of pairs in which the inputs of some samples are altered as they are read.

    Attributes:
        dataset: with the inputs, tensors or arrays.
        alter: from an input and a generator to another one.
        seeds: int64 ``(n,)``, of the generators; -1 for samples that stay as they are.
        places: int64 ``(n,)``, where in ``dataset`` the inputs are.
        target_places: int64 ``(n,)``, where in ``dataset`` the targets are.
        targets: int64 ``(n,)``, the labels, if they are known and replace those of ``dataset``.
        lengths: int64 ``(n,)``, sizes of the samples; None if the dataset does not give them.
    """

    targets: Tensor | None  # type: ignore[assignment]  # only labels are known as one tensor

    def __init__(
        self,
        dataset: Dataset[Any],
        alter: Alter,
        seeds: Tensor,
        *,
        places: Tensor | None = None,
        target_places: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        self.dataset = dataset
        self.alter = alter
        self.seeds = seeds
        self.places = torch.arange(len(seeds)) if places is None else places
        self.target_places = self.places if target_places is None else target_places
        self.targets = targets
        lengths = lengths_of(dataset)
        self.lengths = None if lengths is None else lengths[self.places]

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.seeds)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Input and target of a sample."""
        place, target_place, seed = int(self.places[index]), int(self.target_places[index]), int(self.seeds[index])
        inputs, target = check_pair(self.dataset[place])
        if seed >= 0:
            inputs = self.alter(torch.as_tensor(inputs), torch.Generator().manual_seed(seed))
        if self.targets is not None:
            return inputs, int(self.targets[index])
        return inputs, target if target_place == place else check_pair(self.dataset[target_place])[1]

    def rows(self, indices: Tensor) -> Altered:
        """The samples at ``indices``, int64 ``(k,)`` on the host."""
        return Altered(
            self.dataset,
            self.alter,
            self.seeds[indices],
            places=self.places[indices],
            target_places=self.target_places[indices],
            targets=None if self.targets is None else self.targets[indices],
        )

    def relabelled(self, targets: Tensor) -> Altered:
        """The same inputs with the labels ``targets``, int64 ``(n,)`` on the host."""
        return Altered(self.dataset, self.alter, self.seeds, places=self.places, targets=targets)


def seeds_of(chosen: Tensor, generator: torch.Generator) -> Tensor:
    """A seed for each sample of which ``chosen``, bool ``(n,)``, is true, and -1 for the others."""
    return torch.where(chosen, torch.randint(2**31, chosen.shape, generator=generator), -1)


def some_inputs(dataset: Dataset[Any], loading: LoaderConfig) -> Any:
    """Inputs as they are before a batch goes to the model: all of them if they are in memory, else a few."""
    if is_resident(dataset):
        return dataset.tensors[0]
    count = length(dataset)
    rows = torch.linspace(0, count - 1, min(count, MEASURED)).round().long()
    with RNGScope(0, CPU), closing(make_loader(dataset, CPU, loading)) as loader:
        ((inputs, _),) = loader.batches([rows])
    return inputs


def why_not_tensors(dataset: Dataset[Any], loading: LoaderConfig) -> str:
    """Why the inputs of a dataset cannot be altered number by number; empty if they can."""
    if not is_resident(dataset) and loading.collate is not None:
        return "a custom collate function makes its batches"
    inputs = some_inputs(dataset, loading)
    if not isinstance(inputs, Tensor) or (not is_resident(dataset) and is_batched(dataset)):
        return f"its inputs are of {type(inputs).__name__}s" if not isinstance(inputs, Tensor) else "it makes batches"
    if not inputs.is_floating_point() and inputs.dtype != torch.uint8:
        return f"its inputs are {inputs.dtype}"
    return ""


def noise_for(dataset: Dataset[Any], loading: LoaderConfig, strength: float) -> Noise:
    """Noise of ``strength`` standard deviations of the inputs, which keeps them within the range that they have."""
    inputs = some_inputs(dataset, loading)
    values = inputs[:: max(1, len(inputs) // 4096)].double()
    low, high = (0.0, 255.0) if inputs.dtype == torch.uint8 else (values.min().item(), values.max().item())
    return Noise(strength * values.std(correction=0).item(), low, high)
