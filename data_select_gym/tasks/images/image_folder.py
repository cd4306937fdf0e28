"""Images from disk: folders laid out as ImageNet or Tiny-ImageNet, or a Hugging Face data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.utils.data import Dataset

from data_select_gym.arguments import check_count, check_kind, check_one_given, check_path, check_positive
from data_select_gym.task_registry import ORIGINS, register_task
from data_select_gym.tasks.float32 import in_float32
from data_select_gym.tasks.hugging_face import images
from data_select_gym.tasks.images.augment import ResizedCrop
from data_select_gym.tasks.images.image_files import square_of
from data_select_gym.tasks.images.image_layouts import read_image_folder
from data_select_gym.tasks.images.photo_models import image_model
from data_select_gym.tasks.loaders import LoaderConfig
from data_select_gym.tasks.objectives import CROSS_ENTROPY, classification
from data_select_gym.tasks.recipe import Recipe, WarmupDecay
from data_select_gym.tasks.task import Task

VALIDATION_FRACTION = 0.04
MOST_WORKERS = 8
# Our convolutional networks train by SGD, any other model by AdamW; the rates are for batches of 256.
CONVOLUTIONAL = ("small-cnn", "resnet18", "resnet50")
SGD_RATE, ADAMW_RATE = 0.1, 5e-4


@register_task(
    "image_folder",
    env_id="DataSelect/ImageFolder-v0",
    description="ResNets, a vision transformer, or a model of timm or torchvision, on images from disk",
    data="data_dir, in ImageNet's or Tiny-ImageNet's folders, or a Hugging Face dataset",
    origin="data_dir is a folder with train/CLASS/*.jpg and optionally val and test, such as ImageNet from "
    "https://www.image-net.org/download.php or Tiny-ImageNet from "
    "http://cs231n.stanford.edu/tiny-imagenet-200.zip; dataset is a folder or a name of "
    "https://huggingface.co/datasets",
)
def image_folder(
    *,
    data_dir: str | os.PathLike[str] | None = None,
    dataset: str | None = None,
    image_column: str = "image",
    label_column: str = "label",
    model: str = "resnet18",
    image_size: int = 224,
    epochs: int = 90,
    batch_size: int = 256,
    learning_rate: float | None = None,
    workers: int | None = None,
    precision: str = "float32",
    loss: str = CROSS_ENTROPY,
) -> Task:
    """Classes of images in files, which are opened only when they are trained on.

    With a test set, that is reported and the data's validation set validates. Without one, the data's validation set is
    reported. If none is left to validate, 4% of ``train`` is split off. The largest square in the middle of an image is
    scaled to ``image_size``; in training, a random part of it, see
    :class:`~data_select_gym.tasks.images.augment.ResizedCrop`.

    Args:
        data_dir: folder with ``train/CLASS/*.jpg`` and optionally ``val/CLASS/*.jpg`` and ``test/CLASS/*.jpg``; or laid
            out as Tiny-ImageNet. See :func:`~data_select_gym.tasks.images.image_layouts.read_image_folder`.
        dataset: instead of ``data_dir``, a Hugging Face data set, see
            :func:`~data_select_gym.tasks.hugging_face.open_dataset`.
        image_column: of ``dataset``.
        label_column: of ``dataset``.
        model: ``"small-cnn"``, ``"resnet18"``, ``"resnet50"``, ``"vit"`` (22 million weights, patches of 16 pixels),
            or ``"timm/NAME"`` or ``"torchvision/NAME"`` for any classifier of these libraries, with fresh weights.
        image_size: height and width of a decoded image, in pixels.
        epochs: of a full-data run.
        batch_size: samples in a minibatch.
        learning_rate: the largest of the run. If None, it is proportional to ``batch_size``; at 256 it is 0.1 for the
            first three models, which train with SGD, and 0.0005 for any other, which train with AdamW.
        workers: processes that read images; 0 for none. If None, one for each core, at most 8.
        precision: ``"float32"``, or ``"bfloat16"`` for automatic mixed precision.
        loss: that is trained on: ``"cross-entropy"`` with label smoothing; or ``"gce"``, generalised cross-entropy,
            which is robust to wrong labels, see :class:`~data_select_gym.tasks.Classification`.

    Raises:
        FileNotFoundError: ``data_dir`` or its ``train`` is not a folder, or an annotated file is missing.
        ValueError: both or none of ``data_dir`` and ``dataset`` are given, an argument is unknown or out of its range,
            or the folders have another layout.
        TypeError: a path is not a path, or ``model`` is not a string.
        ImportError: a library for ``model`` or ``dataset`` is not installed.
    """
    check_kind("model", model, str)
    objective = classification(loss, label_smoothing=0.1)
    image_size = check_count("image_size", image_size)
    batch_size = check_count("batch_size", batch_size)
    if learning_rate is not None:
        learning_rate = check_positive("learning_rate", learning_rate)
    loading = LoaderConfig(workers=_default_workers() if workers is None else check_count("workers", workers, least=0))
    check_one_given(ORIGINS["image_folder"], data_dir=data_dir, dataset=dataset)
    if data_dir is not None:
        sets = _open_folder(data_dir, image_size)
    elif dataset is not None:
        check_path("dataset", dataset)
        sets = _open_dataset(dataset, image_column, label_column, image_size)
    return Task(
        name="ImageFolder",
        train=sets.train,
        validation=sets.validation,  # type: ignore[arg-type]  # a task that is made has one
        test=sets.test,
        validation_fraction=VALIDATION_FRACTION,
        make_model=partial(in_float32, image_model(model, sets.classes, image_size)),
        objective=objective,
        recipe=Recipe(
            epochs=epochs,
            batch_size=batch_size,
            optimizer=_optimizer(model, batch_size, learning_rate),
            schedule=WarmupDecay(0.1),
            augment=ResizedCrop(),
            precision=precision,
            evaluation_batch_size=batch_size,
        ),
        loading=loading,
    )


class _Sets(NamedTuple):
    train: Dataset[Any]
    validation: Dataset[Any] | None
    test: Dataset[Any] | None
    classes: int


def _open_folder(data_dir: str | os.PathLike[str], image_size: int) -> _Sets:
    found = read_image_folder(data_dir, image_size)
    return _reported(found.train, found.validation, found.test, len(found.classes))


def _open_dataset(dataset: str, image_column: str, label_column: str, image_size: int) -> _Sets:
    parts = images(
        dataset, image_column=image_column, label_column=label_column, decode=partial(square_of, size=image_size)
    )
    train, validation, test = parts["train"], parts.get("validation"), parts.get("test")
    return _reported(train, validation, test, int(train.targets.max()) + 1)


def _reported(train: Dataset[Any], validation: Dataset[Any] | None, test: Dataset[Any] | None, classes: int) -> _Sets:
    """The sets by use: without a test set, the validation set is reported and another is split off."""
    return _Sets(train, None, validation, classes) if test is None else _Sets(train, validation, test, classes)


def _optimizer(model: str, batch_size: int, rate: float | None) -> Callable[[Iterable[nn.Parameter]], Optimizer]:
    if model in CONVOLUTIONAL:
        rate = SGD_RATE * batch_size / 256 if rate is None else rate
        return partial(SGD, lr=rate, momentum=0.9, nesterov=True, weight_decay=1e-4)
    return partial(AdamW, lr=ADAMW_RATE * batch_size / 256 if rate is None else rate, weight_decay=0.05)


def _default_workers() -> int:
    # The cores that this process may use, possibly fewer than the machine has.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)
