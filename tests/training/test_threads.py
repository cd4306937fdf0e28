"""Small models take one thread, larger ones as many as the caller has, whose setting stays as it is."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from data_select_gym.tasks import Classification, Recipe, Task, make_task
from data_select_gym.training import RunConfig, TrainingRun
from data_select_gym.training.threads import PAYS_FROM, at_most, most_threads

pytestmark = pytest.mark.usefixtures("two_threads")


class Watching(nn.Module):
    """Notes how many threads there are whenever it computes."""

    def __init__(self, inside: nn.Module, seen: set[int]) -> None:
        super().__init__()
        self.inside = inside
        self.seen = seen

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.seen.add(torch.get_num_threads())
        logits: torch.Tensor = self.inside(inputs)
        return logits


def threads_of(make_model: Any, shape: tuple[int, ...]) -> tuple[int | None, set[int]]:
    """How many threads a run has at most, and how many its model saw after it was made."""
    seen: set[int] = set()
    data = TensorDataset(torch.zeros(24, *shape), torch.arange(24) % 3)
    task = Task(
        name="watched",
        train=data,
        validation=data,
        make_model=lambda: Watching(make_model(), seen),
        objective=Classification(),
        recipe=Recipe(epochs=3, batch_size=12, optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1)),
    )
    run = TrainingRun(task, RunConfig(pool_size=12, device="cpu"), seed=0)
    seen.clear()
    run.warm_up()
    run.read_pool(fresh=True)
    while not run.done:
        run.step(torch.ones(12))
    return run.computing.threads, seen


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))


def convolutional() -> nn.Module:
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


def transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    return nn.Sequential(nn.TransformerEncoder(layer, 1), nn.Flatten(), nn.Linear(16 * 16, 3))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells, self.head = nn.LSTM(8, 32, batch_first=True), nn.Linear(32, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.cells(inputs)[0][:, -1])
        return logits


@pytest.mark.parametrize(
    ("make_model", "shape", "threads"),
    [
        (perceptron, (8, 8), 1),
        (convolutional, (3, 8, 8), None),
        (convolutional, (3, 2, 2), 1),
        (Recurrent, (2, 8), None),
        (transformer, (16, 16), None),
    ],
    ids=["perceptron", "images", "tiny images", "recurrent", "transformer"],
)
def test_a_run_has_as_many_threads_as_pay_for_its_model(
    make_model: Any, shape: tuple[int, ...], threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_select_gym.training.threads.PAYS_FROM", 1.2e5)
    with torch.no_grad():  # which changes nothing about it
        assert threads_of(make_model, shape) == (threads, {threads or 2})


def test_the_digits_take_one_and_photographs_all() -> None:
    digits, cifar = make_task("digits", epochs=3), 128 * 68.6e6  # operations of the small network for its minibatch
    assert TrainingRun(digits, RunConfig(device="cpu"), seed=0).computing.threads == 1
    assert most_threads(cifar) is None
    assert most_threads(PAYS_FROM) is None and most_threads(PAYS_FROM - 1) == 1


def test_blocks_within_one_another_know_the_number_outside_all_of_them() -> None:
    with at_most(1):
        assert torch.get_num_threads() == 1
        with at_most(None):
            assert torch.get_num_threads() == 2
            with at_most(1):
                assert torch.get_num_threads() == 1
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 1
    with at_most(8):
        assert torch.get_num_threads() == 2


def test_the_callers_number_comes_back_after_errors_too() -> None:
    with pytest.raises(ZeroDivisionError), at_most(1), at_most(None), at_most(1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    with at_most(None):
        assert torch.get_num_threads() == 1
    torch.set_num_threads(2)


def test_a_run_is_the_same_whatever_the_caller_has() -> None:
    def weights(threads: int) -> list[float]:
        torch.set_num_threads(threads)
        run = TrainingRun(make_task("digits", epochs=3), RunConfig(pool_size=160, device="cpu"), seed=0)
        run.warm_up()
        torch.set_num_threads(2)
        return torch.cat([weight.detach().flatten() for weight in run.model.parameters()]).tolist()

    assert weights(1) == weights(2)
