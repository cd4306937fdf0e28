"""CIFAR-10: 60,000 photographs of 32x32 pixels in ten classes (Krizhevsky, 2009), read from files that the user has."""

from __future__ import annotations

import os
from functools import partial

import torch
from torch.utils.data import TensorDataset

from data_select_gym.arguments import check_choice, check_count
from data_select_gym.tasks.augment import FlipCrop
from data_select_gym.tasks.cifar_files import CLASSES, read_cifar10
from data_select_gym.tasks.models import MODELS
from data_select_gym.tasks.objectives import Classification
from data_select_gym.tasks.recipe import OneCycle, Recipe, Schedule, WarmupDecay
from data_select_gym.tasks.task import Task

# 2,000 of the 50,000 training images.
VALIDATION_FRACTION = 0.04

# Epochs, largest learning rate and schedule of each model; the residual network's are those of Data Agent
# (arXiv 2603.07433).
TRAINING: dict[str, tuple[int, float, Schedule]] = {
    "small-cnn": (10, 0.2, WarmupDecay()),
    "resnet18": (200, 0.1, OneCycle()),
}


def cifar10(
    *,
    data_dir: str | os.PathLike[str],
    model: str = "small-cnn",
    epochs: int | None = None,
    batch_size: int = 128,
    precision: str = "float32",
) -> Task:
    """Ten classes of photographs, 48,000 to train on, 2,000 to validate, 10,000 to test.

    Args:
        data_dir: folder with the files as Hugging Face's parquet, or of the original binary or Python version.
        model: ``"small-cnn"``, which trains in about five minutes on two CPU cores, or ``"resnet18"``, for a GPU.
        epochs: of a full-data run; 10 for the small network and 200 for the residual network if None.
        batch_size: samples in a minibatch.
        precision: ``"float32"``, or ``"bfloat16"`` for automatic mixed precision, which is faster on most GPUs and on
            CPUs with AVX512-BF16 or AMX.

    Raises:
        FileNotFoundError: there is no such folder, it has none of the layouts, or a file of its layout is missing.
        ValueError: an unknown ``model`` or ``precision``, ``epochs`` or ``batch_size`` below 1, or a damaged file.
        ImportError: the files are parquet and pyarrow is not installed.
    """
    check_choice("model", model, MODELS)
    default_epochs, rate, schedule = TRAINING[model]
    epochs = default_epochs if epochs is None else check_count("epochs", epochs)
    check_count("batch_size", batch_size)
    train, test = read_cifar10(data_dir)
    return Task(
        name="CIFAR-10",
        train=TensorDataset(*train),
        test=TensorDataset(*test),
        validation_fraction=VALIDATION_FRACTION,
        make_model=partial(MODELS[model], CLASSES),
        objective=Classification(label_smoothing=0.1, head="head"),
        recipe=Recipe(
            epochs=epochs,
            batch_size=batch_size,
            optimizer=partial(torch.optim.SGD, lr=rate, momentum=0.9, nesterov=True, weight_decay=5e-4),
            schedule=schedule,
            augment=FlipCrop(),
            precision=precision,
        ),
    )
