"""Handwritten digits: scikit-learn's 1,797 real 8x8 scans, bundled with it."""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from data_select_gym.arguments import check_count
from data_select_gym.task_registry import register_task
from data_select_gym.tasks.float32 import in_float32
from data_select_gym.tasks.objectives import CROSS_ENTROPY, Classification
from data_select_gym.tasks.recipe import Recipe, WarmupDecay
from data_select_gym.tasks.task import Task

TRAIN, VALIDATION = 1280, 160
SPLIT_SEED = 0


@register_task(
    "digits",
    env_id="DataSelect/Digits-v0",
    description="a perceptron on scikit-learn's 1,797 scans of handwritten digits; a run takes a second",
    data="bundled",
)
def digits(*, epochs: int = 30, batch_size: int = 16, loss: str = CROSS_ENTROPY) -> Task:
    """Ten classes of 8x8 scans, 1,280 to train on, 160 to validate, 357 to test; trains in about a second.

    Args:
        epochs: of a full-data run.
        batch_size: samples in a minibatch.
        loss: that is trained on: ``"cross-entropy"``; or ``"gce"``, generalised cross-entropy, which is robust to wrong
            labels, see :class:`~data_select_gym.tasks.Classification`.

    Raises:
        ValueError: ``epochs`` or ``batch_size`` below 1, or an unknown ``loss``.
    """
    epochs = check_count("epochs", epochs)
    batch_size = check_count("batch_size", batch_size)
    images, labels = read_scans()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SPLIT_SEED))
    sizes = [TRAIN, VALIDATION, len(images) - TRAIN - VALIDATION]
    parts = [TensorDataset(images[rows], labels[rows]) for rows in torch.split(order, sizes)]
    return Task(
        name="Digits",
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        make_model=partial(in_float32, make_model),
        objective=Classification(loss=loss),
        recipe=Recipe(
            epochs=epochs,
            batch_size=batch_size,
            optimizer=partial(torch.optim.SGD, lr=0.03, momentum=0.9, weight_decay=5e-4),
            schedule=WarmupDecay(0.1),
        ),
    )


@cache
def read_scans() -> tuple[Tensor, Tensor]:
    """Images, float32 ``(1797, 1, 8, 8)`` in [0, 1], and labels, int64 ``(1797,)``."""
    from sklearn.datasets import load_digits

    scans = load_digits()
    images = torch.from_numpy(scans.images).float().unsqueeze(1) / 16
    return images, torch.from_numpy(scans.target).long()


def make_model() -> nn.Module:
    """A perceptron with two hidden layers of 64."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
