"""Variants of a task by options: fewer samples, and for classes noisy labels and long tails."""

from __future__ import annotations

import os
from typing import Any

from data_select_gym.tasks.imbalance import make_imbalanced
from data_select_gym.tasks.label_files import take_labels
from data_select_gym.tasks.noise import NOISE_OPTIONS, add_label_noise
from data_select_gym.tasks.subset import SUBSET_OPTIONS, take_samples
from data_select_gym.tasks.task import Task

# For classification tasks.
CLASS_OPTIONS = (
    *NOISE_OPTIONS,
    "label_noise_file",
    "label_noise_key",
    "imbalance_factor",
    "imbalance_seed",
)
VARIANT_OPTIONS = (*SUBSET_OPTIONS, *CLASS_OPTIONS)


def make_variant(
    task: Task,
    *,
    samples: int | None = None,
    samples_seed: int = 0,
    label_noise_file: str | os.PathLike[str] | None = None,
    label_noise_key: str | None = None,
    imbalance_factor: float = 1.0,
    imbalance_seed: int = 0,
    **noise: Any,
) -> Task:
    """The same task with what the options ask for; the task itself if they ask for nothing.

    Samples are left out first; then classes are cut to size by the true labels; noise comes last.

    Args:
        task: the task.
        samples: see :func:`~data_select_gym.tasks.subset.take_samples`.
        samples_seed: see there.
        label_noise_file: see :func:`~data_select_gym.tasks.label_files.take_labels`.
        label_noise_key: see there.
        imbalance_factor: see :func:`~data_select_gym.tasks.imbalance.make_imbalanced`.
        imbalance_seed: see there.
        noise: see :func:`~data_select_gym.tasks.noise.add_label_noise`.

    Raises:
        ValueError: an option is out of its range or does not fit the task, or both kinds of label noise are requested.
        TypeError: it is not a classification task, and an option needs one.
        FileNotFoundError: there is no such file of labels.
    """
    if label_noise_file is not None:
        for name, harmless in (("label_noise", 0), ("noisy_sets", ("train",))):
            value = noise.get(name, harmless)
            if value != harmless and value not in ("train", ["train"]):
                raise ValueError(
                    f"{name}={value!r} and label_noise_file={os.fspath(label_noise_file)!r}: the labels of a file are "
                    f"for the training set and take no other noise; leave {name} out"
                )
    # The file has a label for every sample, so it comes before samples are left out.
    with_file = take_labels(task, label_noise_file=label_noise_file, label_noise_key=label_noise_key)
    fewer = take_samples(with_file, samples=samples, samples_seed=samples_seed)
    tailed = make_imbalanced(fewer, imbalance_factor=imbalance_factor, imbalance_seed=imbalance_seed)
    return add_label_noise(tailed, **noise)
