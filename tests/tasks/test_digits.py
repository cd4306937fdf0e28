import re
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch.utils.data import Dataset, TensorDataset

from data_select_gym.tasks import make_task
from data_select_gym.tasks.digits import digits, read_scans


def tensors(dataset: Dataset[Any] | None) -> tuple[torch.Tensor, ...]:
    assert isinstance(dataset, TensorDataset)
    return dataset.tensors


def test_the_sets_have_the_documented_sizes_and_share_all_scans_out() -> None:
    task = digits()
    parts = [tensors(part) for part in (task.train, task.validation, task.test)]
    assert [len(labels) for _, labels in parts] == [1280, 160, 357]
    scans = load_digits()
    for images, labels in parts:
        assert images.shape[1:] == (1, 8, 8) and images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert images.min() == 0 and images.max() == 1
    ours = sorted(
        (*image.flatten().tolist(), label.item()) for part in parts for image, label in zip(*part, strict=True)
    )
    assert ours == sorted(
        (*(image / 16).tolist(), label) for image, label in zip(scans.data, scans.target, strict=True)
    )


def test_every_class_is_in_every_set() -> None:
    task = digits()
    for part in (task.train, task.validation, task.test):
        assert set(tensors(part)[1].tolist()) == set(range(10))


def test_the_split_is_the_same_whatever_the_seed() -> None:
    torch.manual_seed(1)
    first = digits()
    torch.manual_seed(2)
    assert torch.equal(tensors(digits().validation)[0], tensors(first.validation)[0])


def test_a_task_that_is_changed_leaves_the_next_one_alone() -> None:
    first, expected = digits(), tensors(digits().train)[1].clone()
    tensors(first.train)[1].zero_()
    assert torch.equal(tensors(digits().train)[1], expected)
    assert len(read_scans()[0]) == 1797


def test_options_reach_the_recipe() -> None:
    recipe = make_task("digits", epochs=3, batch_size=8).recipe
    assert (recipe.epochs, recipe.batch_size) == (3, 8)
    defaults = make_task("digits").recipe
    assert (defaults.epochs, defaults.batch_size) == (30, 16)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": -1}, {"epochs": 2.5}])
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    name, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=re.escape(f"{name}={value} is not a whole number of at least 1")):
        make_task("digits", **wrong)


def test_the_model_gives_ten_logits_and_fresh_weights_each_time() -> None:
    task = digits()
    images, labels = tensors(task.test)
    torch.manual_seed(0)
    first, second = task.make_model(), task.make_model()
    assert first(images).shape == (len(labels), 10)
    assert not torch.equal(first(images), second(images))
    assert task.objective.embedding_dim(first) == 64
