"""Images, and the weights of convolutions over them, that lie channels last."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from data_select_gym.tasks import Task
from data_select_gym.training import RunConfig, TrainingRun

from .small_runs import POOL, SAMPLES, begun, finished, small_task, state

ORDER = torch.channels_last


def images(count: int, seed: int) -> TensorDataset:
    inputs = torch.randn(count, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(inputs, inputs.mean(dim=(2, 3)).argmax(dim=1))


def convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))


def task() -> Task:
    held_out = images(6, 1)
    changes: dict[str, Any] = {"optimizer": lambda weights: torch.optim.SGD(weights, lr=0.05, momentum=0.9)}
    made = small_task(train=images(SAMPLES, 0), validation=held_out, make_model=convolutions, **changes)
    return replace(made, test=held_out)


def kernel(run: TrainingRun) -> Tensor:
    return next(run.model.parameters())


def test_weights_and_inputs_lie_channels_last_and_the_results_are_close() -> None:
    plain, run = begun(task()), begun(task(), channels_last=True)
    assert kernel(run).is_contiguous(memory_format=ORDER) and not kernel(plain).is_contiguous(memory_format=ORDER)
    seen: list[bool] = []
    convolution = next(run.model.children())
    convolution.register_forward_pre_hook(lambda _, given: seen.append(given[0].is_contiguous(memory_format=ORDER)))
    run.read_pool(fresh=True)
    plain.read_pool(fresh=True)
    finished(run)
    finished(plain)
    assert len(seen) > 10 and all(seen)
    assert kernel(run).is_contiguous(memory_format=ORDER)
    assert run.model.state_dict().keys() == plain.model.state_dict().keys()
    for name, value in run.model.state_dict().items():
        assert torch.allclose(value, plain.model.state_dict()[name], atol=1e-3), name
    assert run.cost == plain.cost and run.quality == pytest.approx(plain.quality)


def test_a_run_goes_on_to_the_bit() -> None:
    run = begun(task(), channels_last=True)
    resumed = TrainingRun(task(), RunConfig(pool_size=POOL, device="cpu", channels_last=True), seed=0)
    resumed.load_state_dict(deepcopy(run.state_dict()))
    assert kernel(resumed).is_contiguous(memory_format=ORDER)
    assert state(finished(resumed)) == state(finished(run))


def test_a_model_without_convolutions_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^channels_last=True is for convolutions over images; this model has none"):
        begun(channels_last=True)
