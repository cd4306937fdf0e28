"""Samples that come from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset

from data_select_gym.tasks.altered import Altered, each_part, scramble, scramble_each, seeds_of, why_not_tensors
from data_select_gym.tasks.data import check_dataset, length, rows_of
from data_select_gym.tasks.language.completions import Completions
from data_select_gym.tasks.noise import relabelled
from data_select_gym.tasks.protocol import is_resident
from data_select_gym.tasks.regimes.inputs import chosen_share, labels_if_classes
from data_select_gym.tasks.regimes.registry import Circumstances, register_regime
from data_select_gym.tasks.task import Task
from data_select_gym.tasks.text.tokenized_texts import TokenizedTexts
from data_select_gym.tasks.truth import forgotten, marked

TOKENS = (TokenizedTexts, Completions)


def why_not(task: Task, given: Circumstances) -> str:
    """Why no sample can come from elsewhere; empty if some can."""
    train, other = task.train, given.off_target
    if other is not None:
        check_dataset("off_target", other)
        return _why_no_match(train, other)
    if is_resident(train) or type(train) in TOKENS:
        return ""
    found = why_not_tensors(train, task.loading)
    return f"its inputs cannot be scrambled, as {found}; give another data set as off_target" if found else ""


def _why_no_match(train: Dataset[Any], other: Dataset[Any]) -> str:
    """Why samples of another dataset cannot stand among those of ``train``; empty if they can."""
    if (type(train) in TOKENS or is_resident(train)) and type(other) is not type(train):
        return f"off_target is a {type(other).__name__}, and the training set a {type(train).__name__}"
    if is_resident(train) and is_resident(other):
        for name, own, its in zip(("inputs", "targets"), train.tensors, other.tensors, strict=True):
            if (own.shape[1:], own.dtype) != (its.shape[1:], its.dtype):
                return (
                    f"off_target has {name} of shape {tuple(its.shape[1:])} and {its.dtype}, and the training set "
                    f"{tuple(own.shape[1:])} and {own.dtype}"
                )
    return ""


@register_regime("off-target", why_not=why_not, drawn=("0.2", "0.4"))
def off_target(task: Task, share: float, given: Circumstances) -> Task:
    """A share p comes from elsewhere: scrambled inputs, or another data set's, with random labels."""
    generator = given.generator("off-target")
    chosen = chosen_share(length(task.train), share, generator)
    if not chosen.any():
        return task
    labels = labels_if_classes(task)
    if labels is not None:
        classes = max(2, int(labels.max()) + 1)
        labels = torch.where(chosen, torch.randint(classes, labels.shape, generator=generator), labels)
    if given.off_target is None:
        train = _scrambled(task, chosen, labels, generator)
    else:
        train = _from_other(task, given.off_target, chosen, generator)
    # A sample from elsewhere has no right label that its own could differ from.
    true = task.true_labels if labels is None or task.true_labels is None else task.true_labels.where(~chosen, labels)
    return replace(
        task,
        train=train if labels is None else relabelled(train, labels, task.loading),
        true_labels=true,
        truth=marked(forgotten(task.truth, chosen), "off_target", chosen),
    )


def _scrambled(task: Task, chosen: Tensor, labels: Tensor | None, generator: torch.Generator) -> Dataset[Any]:
    """The training set with scrambled inputs in the ``chosen`` places.

    Without classes the targets there are those of other samples.
    """
    train, size = task.train, len(chosen)
    if isinstance(train, TokenizedTexts | Completions):
        return with_part(train, train.rows(chosen.nonzero()[:, 0]).scrambled(generator), chosen)
    targets_from = torch.where(chosen, torch.randint(size, (size,), generator=generator), torch.arange(size))
    if not is_resident(train):
        return Altered(train, scramble, seeds_of(chosen, generator), target_places=targets_from, targets=labels)
    inputs, targets = train.tensors
    inputs = inputs.clone()
    inputs[chosen] = each_part(inputs[chosen], generator, scramble_each)
    return TensorDataset(inputs, targets[targets_from])


def _from_other(task: Task, other: Dataset[Any], chosen: Tensor, generator: torch.Generator) -> Dataset[Any]:
    """The training set with samples of another dataset in the ``chosen`` places, each about as often as any other."""
    count, size = int(chosen.sum()), length(other)
    picked = torch.cat([torch.randperm(size, generator=generator) for _ in range(-(-count // size))])[:count]
    train = task.train
    if is_resident(train) or isinstance(train, TokenizedTexts | Completions):
        return with_part(train, rows_of(other, picked), chosen)
    rows = torch.arange(len(chosen))
    rows[chosen] = len(chosen) + picked
    return Subset(ConcatDataset([train, other]), rows.tolist())


def with_part(train: Dataset[Any], part: Dataset[Any], chosen: Tensor) -> Dataset[Any]:
    """The dataset with the samples of ``part``, which is of the same kind, in the ``chosen`` places."""
    if is_resident(train) and is_resident(part):
        tensors = [tensor.clone() for tensor in train.tensors]
        for tensor, new in zip(tensors, part.tensors, strict=True):
            tensor[chosen] = new.to(tensor.device)
        return TensorDataset(*tensors)
    rows = torch.arange(len(chosen))
    rows[chosen] = len(chosen) + torch.arange(int(chosen.sum()))
    if isinstance(train, Completions) and isinstance(part, Completions):
        return train.joined(part).rows(rows)
    if isinstance(train, TokenizedTexts) and isinstance(part, TokenizedTexts):
        return train.joined(part).rows(rows)
    raise TypeError(f"a {type(part).__name__} cannot be a part of a {type(train).__name__}")
