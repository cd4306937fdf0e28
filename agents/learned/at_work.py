"""Threads and logs of a Stable-Baselines3 model while it learns or decides."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import HumanOutputFormat, Logger

from data_select_gym.training.threads import at_most, most_threads


def deciding(model: BaseAlgorithm, rows: int) -> AbstractContextManager[None]:
    """Within the block torch uses as many threads as pay off for ``rows`` observations in the networks of ``model``."""
    weights = sum(weight.numel() for weight in model.policy.parameters())
    return at_most(most_threads(2 * rows * weights) if model.device.type == "cpu" else None)


@contextmanager
def learning(model: BaseAlgorithm) -> Iterator[None]:
    """As :func:`deciding`, for the minibatches of ``model``; without TensorBoard, its log leaves no folder."""
    # Stable-Baselines3 makes an empty folder for each model in the system's temporary folder.
    quiet = model.tensorboard_log is None and not model._custom_logger
    if quiet:
        model.set_logger(Logger(folder=None, output_formats=[HumanOutputFormat(sys.stdout)] if model.verbose else []))
    try:
        with deciding(model, max(getattr(model, "batch_size", 0), model.n_envs)):
            yield
    finally:
        if quiet:
            model._custom_logger = False
