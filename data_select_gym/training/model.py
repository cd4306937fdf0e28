"""The model of a run: built, laid out in memory, and tried on two samples."""

from __future__ import annotations

from contextlib import closing

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from data_select_gym.tasks import BatchLoader, Task
from data_select_gym.tasks.data import length
from data_select_gym.tasks.objectives import has_classes
from data_select_gym.training.config import RunConfig
from data_select_gym.training.layout import use_channels_last
from data_select_gym.training.returned_checks import losses_and_signals, make_model, sample_classes


def build_model(task: Task, config: RunConfig, device: torch.device, source: BatchLoader) -> tuple[nn.Module, float]:
    """Build a task's model with fresh weights, and check that its output fits the objective.

    Args:
        task: what is trained.
        config: how.
        device: where the model goes.
        source: reads the training samples; it is closed.

    Returns:
        The model, and the floating-point operations of a sample's forward pass.

    Raises:
        ValueError: the model's output does not fit the objective; or ``channels_last`` for a model without convolutions
            over images.
        TypeError: ``make_model`` gives something else than a model, or the objective something else than it should.
    """
    model = make_model(task.make_model).to(device)
    if config.channels_last:
        use_channels_last(model)
    return model, _try_out(task, model, source, embed=config.embeds)


def _try_out(task: Task, model: nn.Module, source: BatchLoader, *, embed: bool) -> float:
    first = torch.arange(min(2, length(task.train)))
    objective = task.objective
    model.eval()
    # The source is closed, since nobody else can do so if the run cannot be made. Gradients are on, since without them
    # the operations of transformers are not counted.
    with closing(source), torch.enable_grad(), FlopCounterMode(display=False) as counted:
        for inputs, targets in source.batches([first]):
            losses_and_signals(objective, objective(model, inputs, targets, embed=embed), len(first))
            if has_classes(objective):
                sample_classes(objective, objective.classes(targets), len(first))
    # What the counter does not know, such as recurrent layers, has at least two for each weight.
    weights = sum(weight.numel() for weight in model.parameters())
    return float(max(counted.get_total_flops() / len(first), 2 * weights))
