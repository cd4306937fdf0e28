"""CIFAR-10 and CIFAR-100: 60,000 photographs of 32x32 pixels (Krizhevsky, 2009), read from the user's files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch.utils.data import TensorDataset

from data_select_gym.arguments import check_choice
from data_select_gym.task_registry import register_task
from data_select_gym.tasks.float32 import in_float32
from data_select_gym.tasks.images.augment import FlipCrop
from data_select_gym.tasks.images.cifar_files import CIFAR10, CIFAR100, Cifar, read_cifar
from data_select_gym.tasks.images.small_image_models import (
    CIFAR10_MEAN,
    CIFAR10_STD,
    CIFAR100_MEAN,
    CIFAR100_STD,
    MODELS,
)
from data_select_gym.tasks.objectives import CROSS_ENTROPY, classification
from data_select_gym.tasks.recipe import OneCycle, Recipe, Schedule, WarmupDecay
from data_select_gym.tasks.task import Task

# 2,000 of the 50,000 training images.
VALIDATION_FRACTION = 0.04

# Epochs, largest learning rate and schedule of each model; those of the residual network are Data Agent's
# (arXiv 2603.07433).
TRAINING: dict[str, tuple[int, float, Schedule]] = {
    "small-cnn": (10, 0.2, WarmupDecay()),
    "resnet18": (200, 0.1, OneCycle()),
}


def _task_of(cifar: Cifar, mean: Sequence[float], std: Sequence[float]) -> Callable[..., Task]:
    """The function that makes the task of one of the two data sets.

    Args:
        cifar: which data set.
        mean: of each channel of its training images, on the scale from 0 to 1.
        std: of each channel, on the same scale.
    """

    def make(
        *,
        data_dir: str | os.PathLike[str],
        model: str = "small-cnn",
        epochs: int | None = None,
        batch_size: int = 128,
        precision: str = "float32",
        loss: str = CROSS_ENTROPY,
    ) -> Task:
        """Photographs in ten classes, or a hundred: 48,000 to train on, 2,000 to validate, 10,000 to test.

        Args:
            data_dir: folder with the files: Hugging Face's parquet, or the original binary or Python version.
            model: ``"small-cnn"``, which trains in about five minutes on two CPU cores, or ``"resnet18"``, for a GPU.
            epochs: of a full-data run; 10 for the small network and 200 for the residual network if None.
            batch_size: samples in a minibatch.
            precision: ``"float32"``, or ``"bfloat16"`` for automatic mixed precision, which is faster on most GPUs and
                on CPUs with AVX512-BF16 or AMX.
            loss: that is trained on: ``"cross-entropy"`` with label smoothing; or ``"gce"``, generalised cross-entropy,
                which is robust to wrong labels, see :class:`~data_select_gym.tasks.Classification`.

        Raises:
            FileNotFoundError: there is no such folder, it has none of the layouts, or a file of its layout is missing.
            ValueError: an unknown ``model``, ``precision`` or ``loss``, ``epochs`` or ``batch_size`` below 1, or a
                damaged file.
            ImportError: the files are parquet and pyarrow is not installed.
        """
        check_choice("model", model, MODELS)
        objective = classification(loss, label_smoothing=0.1, head="head")
        default_epochs, rate, schedule = TRAINING[model]
        recipe = Recipe(
            epochs=default_epochs if epochs is None else epochs,
            batch_size=batch_size,
            optimizer=partial(torch.optim.SGD, lr=rate, momentum=0.9, nesterov=True, weight_decay=5e-4),
            schedule=schedule,
            augment=FlipCrop(),
            precision=precision,
        )
        train, test = read_cifar(cifar, data_dir)
        return Task(
            name=cifar.name,
            train=TensorDataset(*train),
            test=TensorDataset(*test),
            validation_fraction=VALIDATION_FRACTION,
            make_model=partial(in_float32, MODELS[model], cifar.classes, mean, std),
            objective=objective,
            recipe=recipe,
        )

    make.__name__ = make.__qualname__ = cifar.task
    return make


cifar10 = register_task(
    "cifar10",
    env_id="DataSelect/CIFAR10-v0",
    description="a small CNN or ResNet-18 on 60,000 photographs in ten classes",
    data="data_dir, with Hugging Face's parquet, or the original binary or Python version",
    origin="CIFAR-10 is available from https://www.cs.toronto.edu/~kriz/cifar.html, binary or Python version, or as "
    "parquet from https://huggingface.co/datasets/uoft-cs/cifar10; data_dir is the folder that holds its files or the "
    "unpacked folder",
)(_task_of(CIFAR10, CIFAR10_MEAN, CIFAR10_STD))
cifar100 = register_task(
    "cifar100",
    env_id="DataSelect/CIFAR100-v0",
    description="a small CNN or ResNet-18 on 60,000 photographs in a hundred classes",
    data="data_dir, with Hugging Face's parquet, or the original binary or Python version",
    origin="CIFAR-100 is available from https://www.cs.toronto.edu/~kriz/cifar.html, binary or Python version, or as "
    "parquet from https://huggingface.co/datasets/uoft-cs/cifar100; data_dir is the folder that holds its files or "
    "the unpacked folder",
)(_task_of(CIFAR100, CIFAR100_MEAN, CIFAR100_STD))
