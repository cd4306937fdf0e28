"""Tasks: data, model, objective and recipe together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from data_select_gym.arguments import check_callable, check_kind, check_share
from data_select_gym.deprecation import warn_renamed
from data_select_gym.tasks.data import check_dataset, length, rows_of, split_rows
from data_select_gym.tasks.first_samples import check_first_samples
from data_select_gym.tasks.labels import check_class_numbers, labels_of, targets_in_memory
from data_select_gym.tasks.loaders import LoaderConfig
from data_select_gym.tasks.objectives import Classification, Objective
from data_select_gym.tasks.problems import check_problem_name
from data_select_gym.tasks.protocol import has_methods
from data_select_gym.tasks.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Task:
    """Training, validation and test sets, model, objective and recipe.

    Rewards and agents see only the validation set. The test set is for the result at the end of a run.

    Attributes:
        name: for tables and pictures.
        train: a map-style dataset of pairs (input, target).
        make_model: makes a model with fresh weights; called with the global random generators seeded.
        objective: losses, signals and metrics.
        recipe: how the model is trained.
        validation: like ``train``; if None, a share of ``train`` is split off, the same for all seeds.
        test: like ``train``; if None, the validation set is reported instead.
        validation_fraction: the share that is split off, in (0, 1).
        true_labels: int64 ``(N,)`` on the host, the labels that the training samples should have, if some are known to
            be wrong; no policy, reward or feature uses them.
        truth: what else is known of the training samples, by name: bool ``(N,)`` on the host for each of
            :data:`~data_select_gym.tasks.problems.PROBLEMS`, and ``"copy_of"``, int64 ``(N,)``, which sample each is a
            copy of, -1 for none. Other names are possible, but none that infos and results have of their own, such as
            ``"cost"``. No policy, reward or feature uses it either.
        train_rows: int64 ``(N,)`` on the host, the rows of the given ``train`` that are left after a validation set is
            split off; None for all.
        loading: how to read datasets sample by sample.
        final_metrics: further metrics, by name, of the trained model in evaluation mode, measured once at the end of a
            run and reported with those of the test set.
    """

    name: str
    train: Dataset[Any]
    make_model: Callable[[], nn.Module]
    objective: Objective
    recipe: Recipe
    validation: Dataset[Any] = None  # type: ignore[assignment]  # a task that is made has one
    test: Dataset[Any] | None = None
    validation_fraction: float = field(default=0.1, repr=False)
    true_labels: Tensor | None = field(default=None, repr=False)
    truth: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    train_rows: Tensor | None = field(default=None, repr=False)
    loading: LoaderConfig = field(default=LoaderConfig(), repr=False)
    final_metrics: Callable[[nn.Module], dict[str, float]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Split off a validation set if none is given.

        Raises:
            ValueError: ``validation_fraction`` is not in (0, 1], or leaves a set empty; a set is empty; its first
                samples are no pairs, make no batch, or have targets that the objective does not take; or a label that
                is in memory is below 0.
            TypeError: a dataset is not map-style, or another argument is of the wrong type.
        """
        self._check_kinds()
        for name, dataset in self._sets():
            check_dataset(name, dataset)
        if self.validation is None:
            share = check_share("validation_fraction", self.validation_fraction)
            # Errors name the value as it was given.
            rest, part = split_rows(length(self.train, "train"), self.validation_fraction)
            object.__setattr__(self, "validation_fraction", share)
            object.__setattr__(self, "validation", rows_of(self.train, part))
            object.__setattr__(self, "train", rows_of(self.train, rest))
            object.__setattr__(self, "train_rows", rest)
        for name, dataset in self._sets():
            if length(dataset, name) == 0:
                raise ValueError(f"{name} is empty; at least one sample is needed")
            check_first_samples(name, dataset, self.loading, self.objective)
        if has_methods(self.objective, Classification, "__call__"):
            check_class_numbers(dict(self._sets()), self.loading)

    def _sets(self) -> list[tuple[str, Dataset[Any]]]:
        """The sets that there are, by name."""
        others = [("validation", self.validation), ("test", self.test)]
        return [("train", self.train), *((name, dataset) for name, dataset in others if dataset is not None)]

    def _check_kinds(self) -> None:
        check_kind("name", self.name, str)
        if isinstance(check_callable("make_model", self.make_model), nn.Module):
            raise TypeError(f"make_model={self.make_model!r:.100} is a model; a function that makes one is needed")
        accept_quality(self.objective)
        if isinstance(self.objective, type) or not hasattr(self.objective, "primary_metric"):
            raise TypeError(f"objective={self.objective!r:.100} is not an objective, such as Classification()")
        check_kind("recipe", self.recipe, Recipe)
        check_kind("loading", self.loading, LoaderConfig)
        for name, rows in [("true_labels", self.true_labels), ("train_rows", self.train_rows)]:
            if rows is not None:
                check_kind(name, rows, Tensor)
        for name, values in check_kind("truth", self.truth, Mapping).items():
            check_kind(f"truth[{check_problem_name(name)!r}]", values, Tensor)
        if self.final_metrics is not None:
            check_callable("final_metrics", self.final_metrics)

    @cached_property
    def mislabelled(self) -> Tensor | None:
        """Which training samples have a wrong label, or a wrong answer, bool ``(N,)`` on the host.

        None where that is not known.

        Raises:
            ValueError: ``true_labels`` are not as many as the training samples.
        """
        if self.true_labels is None:
            return self.truth.get("mislabelled")
        labels = labels_of(self.train, self.loading)
        if self.true_labels.shape != labels.shape:
            raise ValueError(
                f"true_labels has shape {tuple(self.true_labels.shape)}; one for each of the {len(labels)} training "
                "samples that are left when a validation set is split off is needed"
            )
        return labels != self.true_labels

    @cached_property
    def problems(self) -> dict[str, Tensor]:
        """Which training samples have which known problem, bool ``(N,)`` on the host by name.

        Raises:
            ValueError: ``true_labels`` or ``truth`` are not as many as the training samples.
        """
        found = {} if self.mislabelled is None else {"mislabelled": self.mislabelled}
        found |= {name: values for name, values in self.truth.items() if values.dtype == torch.bool}
        for name, flags in found.items():
            if flags.shape != (length(self.train),):
                raise ValueError(
                    f"truth[{name!r}] has shape {tuple(flags.shape)}; a value for each of the {length(self.train)} "
                    "training samples is needed"
                )
        return found

    @cached_property
    def label_digest(self) -> str | None:
        """SHA-256 of the training targets, to detect other ones; None if they are not one tensor."""
        targets = targets_in_memory(self.train)
        if targets is None:
            return None
        return hashlib.sha256(targets.cpu().flatten().view(torch.uint8).numpy().tobytes()).hexdigest()

    def __deepcopy__(self, memo: dict[int, Any]) -> Task:
        """Itself: a task never changes, and an environment's spec copies all its arguments."""
        return self


def accept_quality(objective: Any) -> None:
    """Rename the attribute ``quality`` of an objective of version 0.1 to ``primary_metric``, with a warning."""
    if isinstance(objective, type) or hasattr(objective, "primary_metric"):
        return
    named = getattr(objective, "quality", None)
    if isinstance(named, str):
        kind = type(objective).__name__
        warn_renamed(f"{kind}.quality", f"{kind}.primary_metric")
        object.__setattr__(objective, "primary_metric", named)
