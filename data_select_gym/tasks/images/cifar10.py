"""CIFAR-10: 60,000 photographs of 32x32 pixels in ten classes (Krizhevsky, 2009), read from files that the user has."""

from __future__ import annotations

import os

from data_select_gym.tasks.images.cifar import make_cifar_task
from data_select_gym.tasks.images.cifar_files import CIFAR10
from data_select_gym.tasks.images.models import CIFAR10_MEAN, CIFAR10_STD
from data_select_gym.tasks.task import Task


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
    return make_cifar_task(
        CIFAR10,
        mean=CIFAR10_MEAN,
        std=CIFAR10_STD,
        data_dir=data_dir,
        model=model,
        epochs=epochs,
        batch_size=batch_size,
        precision=precision,
    )
