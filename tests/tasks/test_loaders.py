"""What a dataset may have beyond what PyTorch asks for, and how it is read then."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from multiprocessing import Array
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset, TensorDataset, default_collate

from data_select_gym.tasks import LoaderConfig, loaders, make_loader, split
from data_select_gym.tasks.data import lengths_of, rows_of
from data_select_gym.tasks.protocol import Batched, Measured, Stored
from data_select_gym.tasks.sequences import Sequences

from ..tiers import slow

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create", "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)
CPU = torch.device("cpu")
INDICES = [torch.tensor([7, 0, 3]), torch.tensor([9]), torch.tensor([2, 1])]


class Words(Dataset[Any], Stored, Measured, Batched):
    """Sequences with labels, that makes its own batches."""

    def __init__(self, sequences: Sequences, targets: Tensor) -> None:
        self.sequences, self.targets = sequences, targets
        self.lengths = sequences.lengths

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("it makes whole batches")

    def rows(self, indices: Tensor) -> Words:
        return Words(self.sequences.rows(indices), self.targets[indices])

    def relabelled(self, targets: Tensor) -> Words:
        return Words(self.sequences, targets)

    def to(self, device: torch.device) -> Words:
        return Words(self.sequences.to(device), self.targets)

    def batch(self, indices: Tensor) -> tuple[Any, Any]:
        return dict(zip(("tokens", "there"), self.sequences.padded(indices, 0), strict=True)), self.targets[indices]


def words(count: int = 10) -> Words:
    return Words(Sequences.of([[row + 1] * (1 + row % 4) for row in range(count)]), torch.arange(count))


class Squares(Dataset[Any]):
    """Samples in a dict; who read them is told."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        if index == 8:
            raise ValueError("sample 8 is damaged")
        return {"square": torch.tensor(index**2), "process": os.getpid()}, index


class Mixed(Dataset[Any]):
    """Samples of all that PyTorch puts together."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        inputs = {
            "image": torch.full((2, 3), index / 7).permute(1, 0),
            "array": np.arange(3, dtype=np.float64) * index,
            "name": f"sample {index}",
            "nested": (index, [index / 3, index % 2 == 0], "x" * index),
        }
        return inputs, np.int64(index)


class Watched(Dataset[Any]):
    """Samples of which it is known how often each was read, in all processes together; the ``broken`` one cannot be."""

    def __init__(self, broken: int = -1) -> None:
        self.broken = broken
        self.reads = Array("i", 60)

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> Any:
        with self.reads.get_lock():
            self.reads[index] += 1
        if index == self.broken:
            raise ValueError(f"sample {index} is damaged")
        return torch.tensor(index), index

    def read(self) -> list[int]:
        return [index for index, count in enumerate(self.reads) for _ in range(count)]

    def comes_to(self, expected: list[int]) -> bool:
        """Whether that is what is read, and after it nothing more."""
        end = time.monotonic() + 10
        while self.read() != expected and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)
        return self.read() == expected


def alike(got: Any, expected: Any) -> bool:
    """Whether two nestings are the same to the bit and the type."""
    if type(got) is not type(expected):
        return False
    if isinstance(got, Tensor):
        return got.dtype == expected.dtype and got.stride() == expected.stride() and torch.equal(got, expected)
    if isinstance(got, dict):
        return list(got) == list(expected) and all(alike(got[name], expected[name]) for name in got)
    if isinstance(got, list | tuple):
        return len(got) == len(expected) and all(map(alike, got, expected))
    return bool(got == expected)


def targets_of(batches: Any) -> list[list[int]]:
    return [targets.tolist() for _, targets in batches]


def test_a_dataset_that_makes_batches_is_asked_for_whole_ones() -> None:
    batches = list(make_loader(words(), CPU).batches(INDICES))
    assert [targets.tolist() for _, targets in batches] == [[7, 0, 3], [9], [2, 1]]
    assert batches[0][0]["tokens"].tolist() == [[8, 8, 8, 8], [1, 0, 0, 0], [4, 4, 4, 4]]
    assert batches[1][0]["tokens"].tolist() == [[10, 10]]


def test_a_dataset_that_gives_its_rows_is_split_without_a_wrapper() -> None:
    assert isinstance(words(), Stored)
    rest, part = split(words(), 0.3)
    assert isinstance(rest, Words) and isinstance(part, Words)
    assert sorted(rest.targets.tolist() + part.targets.tolist()) == list(range(10))
    assert part.lengths.tolist() == [1 + row % 4 for row in part.targets.tolist()]


def test_lengths_are_looked_up_through_a_subset() -> None:
    lengths = lengths_of(Subset(Subset(words(), [3, 1, 0]), [2, 0]))
    assert lengths is not None and lengths.tolist() == [1, 4]
    assert lengths_of(Squares()) is None and lengths_of(rows_of(Squares(), torch.tensor([1]))) is None


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_of_any_nesting_are_read_in_order(workers: int) -> None:
    source = make_loader(Squares(), CPU, LoaderConfig(workers=workers))
    for _ in range(2):
        batches = list(source.batches(INDICES))
        assert [inputs["square"].tolist() for inputs, _ in batches] == [[49, 0, 9], [81], [4, 1]]
        assert [targets.tolist() for _, targets in batches] == [[7, 0, 3], [9], [2, 1]]


def test_workers_read_beside_the_training_and_live_on() -> None:
    source = make_loader(Squares(), CPU, LoaderConfig(workers=2))
    readers = [{int(inputs["process"][0]) for inputs, _ in source.batches(INDICES)} for _ in range(2)]
    assert readers[0] == readers[1] and len(readers[0]) == 2 and os.getpid() not in readers[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_reading_is_told_wherever_it_happened(workers: int) -> None:
    source = make_loader(Squares(), CPU, LoaderConfig(workers=workers))
    with pytest.raises(ValueError, match="sample 8 is damaged"):
        list(source.batches([torch.tensor([1]), torch.tensor([8])]))
    source.close()


@pytest.mark.parametrize("workers", [0, slow(1), 3])
def test_batches_are_what_pytorch_makes_of_them_whoever_reads(workers: int) -> None:
    order, dataset = torch.randperm(40, generator=torch.Generator().manual_seed(0)), Mixed()
    source = make_loader(dataset, CPU, LoaderConfig(workers=workers))
    for size in (1, 2, 7, 8, 9, 13, 31):
        chosen = order.split(size)
        for indices, (inputs, targets) in zip(chosen, source.batches(list(chosen)), strict=True):
            expected = default_collate([dataset[index] for index in indices.tolist()])
            assert alike([inputs, targets], expected)
    source.close()


@pytest.mark.parametrize(("size", "readers"), [(7, 1), slow(8, 2), slow(12, 3), (32, 3)])
def test_a_minibatch_is_read_by_all_processes_together(size: int, readers: int) -> None:
    class Who(Mixed):
        def __getitem__(self, index: int) -> Any:
            return os.getpid(), index

    ((processes, targets),) = make_loader(Who(), CPU, LoaderConfig(workers=3)).batches([torch.arange(size)])
    assert len(processes.unique()) == readers and targets.tolist() == list(range(size))


def test_what_comes_next_is_read_while_nobody_asks_for_it() -> None:
    dataset = Watched()
    source = make_loader(dataset, CPU, LoaderConfig(workers=2))
    first, second = torch.arange(20).split(10), torch.arange(20, 35).split(9)
    assert targets_of(source.batches(first, second)) == [part.tolist() for part in first]
    assert dataset.comes_to(list(range(35)))
    assert targets_of(source.batches(second)) == [part.tolist() for part in second]
    assert dataset.comes_to(list(range(35)))
    source.close()


def test_without_processes_nothing_is_read_before_it_is_asked_for() -> None:
    dataset = Watched()
    source = make_loader(dataset, CPU)
    first, second = torch.arange(8).split(4), torch.arange(8, 16).split(4)
    assert targets_of(source.batches(first, second)) == [part.tolist() for part in first]
    assert dataset.read() == list(range(8))
    reading = source.batches(second)
    next(reading)
    assert dataset.read() == list(range(12))


@pytest.mark.parametrize(("size", "collate"), [(10, None), (10, default_collate), (4, None)])
def test_no_more_is_read_ahead_than_was_asked_for(size: int, collate: Callable[..., Any] | None) -> None:
    dataset = Watched()
    source = make_loader(dataset, CPU, LoaderConfig(workers=2, prefetch=1, collate=collate))
    parts = torch.arange(60).split(size)
    reading = source.batches(parts[:2], parts[2:])
    next(reading)
    assert dataset.comes_to(list(range(3 * size)))
    next(reading)
    assert dataset.comes_to(list(range(4 * size)))
    assert list(reading) == [] and dataset.comes_to(list(range(4 * size)))
    source.close()


def test_what_was_read_ahead_in_vain_is_dropped() -> None:
    dataset = Watched()
    source = make_loader(dataset, CPU, LoaderConfig(workers=2))
    first, second = [torch.arange(9)], list(torch.arange(10, 40).split(15))
    other = [torch.arange(40, 42), torch.arange(50, 60)]
    for asked in (other, second[:1], second[1:], [*second, *first], [second[0], second[1] + 1], [second[0], second[0]]):
        list(source.batches(first, second))
        assert targets_of(source.batches(asked, second)) == [part.tolist() for part in asked]
        assert targets_of(source.batches(second)) == [part.tolist() for part in second]
    list(source.batches(first, second))
    source.close()
    assert targets_of(source.batches(second, first)) == [part.tolist() for part in second]
    source.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_pass_that_was_not_read_to_its_end_leaves_nothing_to_the_next(workers: int) -> None:
    source = make_loader(Watched(), CPU, LoaderConfig(workers=workers, prefetch=1))
    # What the first two leave room for is less than the third.
    parts = torch.arange(60).split([4, 4, 12, 12, 12, 16])
    abandoned = source.batches(parts[:3], parts[3:])
    next(abandoned)
    for expected, then in ((parts[3:], ()), (parts[1:3], parts[3:])):
        assert targets_of(source.batches(expected, then)) == [part.tolist() for part in expected]
    abandoned = source.batches(parts[3:])
    next(abandoned)
    assert targets_of(source.batches(parts[3:])) == [part.tolist() for part in parts[3:]]
    source.close()


def test_an_error_in_what_is_read_ahead_is_told_when_it_is_asked_for() -> None:
    source = make_loader(Watched(broken=25), CPU, LoaderConfig(workers=2))
    first, second = [torch.arange(10)], [torch.arange(10, 20), torch.arange(20, 30)]
    list(source.batches(first, second))
    reading = source.batches(second)
    next(reading)
    with pytest.raises(ValueError, match="sample 25 is damaged"):
        next(reading)
    assert targets_of(source.batches(first)) == [first[0].tolist()]
    source.close()


@pytest.mark.parametrize("workers", [0, slow(1), 2])
def test_samples_that_are_no_pairs_are_refused_whoever_reads(workers: int) -> None:
    triples: Any = [(number, number, number) for number in range(20)]
    for dataset, kind in ((triples, "list"), ([torch.zeros(2)] * 20, "Tensor"), (["no", "pair"] * 10, "list")):
        source = make_loader(dataset, CPU, LoaderConfig(workers=workers))
        with pytest.raises(ValueError, match=rf"^the dataset gives a {kind}; it must give pairs of an input and a "):
            list(source.batches([torch.arange(16)]))
        source.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_can_be_put_together_in_a_way_of_ones_own_which_gets_whole_minibatches(workers: int) -> None:
    def as_lists(samples: list[Any]) -> tuple[Any, Any]:
        return [inputs["square"] for inputs, _ in samples], [label for _, label in samples]

    source = make_loader(Squares(), CPU, LoaderConfig(workers=workers, collate=as_lists))
    ((inputs, targets),) = source.batches([torch.arange(7, -1, -1)])
    assert inputs == [torch.tensor(number**2) for number in range(7, -1, -1)] and targets == list(range(7, -1, -1))
    source.close()


@pytest.mark.parametrize(("name", "value", "least"), [("workers", -1, 0), ("workers", 1.5, 0), ("prefetch", 0, 1)])
def test_counts_out_of_their_range_are_refused(name: str, value: float, least: int) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=rf"^{name}={value} is not a whole number of at least {least}$"):
        LoaderConfig(**settings)


@pytest.mark.parametrize(("samples", "fitting"), [(100, True), (101, False)])
def test_tensors_may_take_half_of_the_memory_that_a_gpu_has_left(
    samples: int, fitting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 9000))
    dataset = TensorDataset(torch.zeros(samples), torch.zeros(samples, dtype=torch.uint8))  # of five bytes a sample
    assert loaders.fits(dataset, torch.device("cuda")) == fitting
    assert loaders.fits(dataset, CPU)


def test_tensors_that_would_take_more_stay_on_the_host_and_their_batches_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loaders, "fits", lambda dataset, device: False)
    source = make_loader(TensorDataset(torch.arange(10.0), torch.arange(10)), torch.device("meta"))
    assert isinstance(source, loaders.ResidentLoader) and source.inputs.device == source.targets.device == CPU
    ((inputs, targets),) = source.batches(INDICES[:1])
    assert inputs.device == targets.device == torch.device("meta") and inputs.shape == targets.shape == (3,)


class Drawn(Mixed):
    """Samples that are drawn where they are read, from all global generators."""

    def __getitem__(self, index: int) -> Any:
        return torch.rand(2) + random.random(), index


@pytest.mark.parametrize("workers", [slow(1), 2])
def test_what_worker_processes_draw_is_of_the_seed(workers: int) -> None:
    def read(seed: int) -> list[list[float]]:
        source = make_loader(Drawn(), CPU, LoaderConfig(workers=workers), seed=seed)
        passes = [inputs.flatten().tolist() for _ in range(2) for inputs, _ in source.batches([torch.arange(16)])]
        source.close()
        passes += [inputs.flatten().tolist() for inputs, _ in source.batches([torch.arange(16)])]
        source.close()
        return passes

    first, again, other = read(1), read(1), read(2)
    assert first == again
    drawn = [number for each in (first, other) for part in each for number in part]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("seed", [-1, 1.5, None])
def test_a_wrong_seed_is_refused(seed: Any) -> None:
    with pytest.raises(ValueError, match=rf"^seed={seed} is not a whole number of at least 0$"):
        make_loader(Drawn(), CPU, seed=seed)
