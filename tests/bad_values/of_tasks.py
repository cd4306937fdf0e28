"""Bad values for tasks: recipes, objectives, data, built-in tasks and their variants."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from data_select_gym.tasks import (
    Classification,
    LoaderConfig,
    OneCycle,
    Recipe,
    Regression,
    Task,
    WarmupDecay,
    make_task,
    register_task,
    split,
)
from data_select_gym.tasks.digits import digits
from data_select_gym.tasks.images.augment import FlipCrop, ResizedCrop
from data_select_gym.tasks.images.cifar import cifar10, cifar100
from data_select_gym.tasks.images.image_folder import image_folder
from data_select_gym.tasks.language.instruction_tuning import instruction_tuning
from data_select_gym.tasks.text.text_classification import text_classification
from data_select_gym.tasks.variants import make_variant

from ..tasks.written_images import CLASSES, draw, write_imagenet
from .bad import (
    CALLABLE,
    CHOICE,
    COUNT,
    COUNT_FROM_0,
    FLAG,
    INF,
    NAN,
    NOT_CALLABLE,
    NOT_COUNTS,
    NOT_COUNTS_FROM_0,
    NOT_FLAGS,
    NOT_NAMED,
    NOT_PATHS,
    NOT_POSITIVE,
    NOT_SHARES,
    NOT_SHARES_FROM_0,
    PART,
    PATH,
    POSITIVE,
    SHARE,
    SHARE_FROM_0,
    TEXT,
    Bad,
    Good,
)

sgd = partial(torch.optim.SGD, lr=0.1)
NOT_PARTS = (-0.1, 1, NAN, INF, True, "0.5", None)


def tensors(count: int = 20) -> TensorDataset:
    inputs = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
    return TensorDataset(inputs, inputs[:, :3].argmax(1))


def small_task(**changes: Any) -> Task:
    settings: dict[str, Any] = {
        "name": "small",
        "train": tensors(),
        "make_model": partial(nn.Linear, 4, 3),
        "objective": Classification(),
        "recipe": Recipe(3, 4, sgd),
    }
    return Task(**settings | changes)


def with_head(kind: type[Classification] | type[Regression], **settings: Any) -> int:
    """A head is looked up in a model."""
    return kind(**settings).embedding_dim(nn.Sequential(nn.Linear(4, 3)))


def classification(**settings: Any) -> int:
    return with_head(Classification, **settings)


def regression(**settings: Any) -> int:
    return with_head(Regression, **settings)


def images(folder: Path) -> dict[str, Any]:
    settings = {"model": "small-cnn", "image_size": 16, "workers": 0}
    return settings | {"data_dir": write_imagenet(folder, each=9, val=0)}


def saved_images(folder: Path) -> dict[str, Any]:
    datasets = pytest.importorskip("datasets")
    columns = {"image": [draw(row % 3, row) for row in range(30)], "label": [CLASSES[row % 3] for row in range(30)]}
    datasets.Dataset.from_dict(columns).save_to_disk(folder / "saved")
    return {"dataset": str(folder / "saved"), "model": "small-cnn", "image_size": 16, "workers": 0}


def saved_image_folder(**settings: Any) -> Task:
    """The columns are those of a Hugging Face data set."""
    return image_folder(**settings)


def texts(folder: Path) -> dict[str, Any]:
    rows = [f"a film that is {word}\t{label}\n" for label, word in [(0, "dull"), (1, "fine")] * 10]
    (folder / "train.tsv").write_text("text\tlabel\n" + "".join(rows))
    return {"data_dir": folder}


def answers(folder: Path) -> dict[str, Any]:
    pytest.importorskip("transformers")
    rows = [{"question": f"How many are {number}?", "answer": f"{number} are {number}."} for number in range(20)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"data_dir": folder}


def endless() -> Dataset[Any]:
    return Dataset()


GOOD: dict[Any, Good] = {
    Recipe: lambda folder: {"epochs": 3, "batch_size": 4, "optimizer": sgd},
    split: lambda folder: {"dataset": tensors(), "fraction": 0.5},
    register_task: lambda folder: {"name": "mine"},
    make_task: lambda folder: {"task": "digits"},
    cifar10: lambda folder: {"data_dir": folder},
    cifar100: lambda folder: {"data_dir": folder},
    image_folder: images,
    saved_image_folder: saved_images,
    text_classification: texts,
    instruction_tuning: answers,
    make_variant: lambda folder: {"task": small_task()},
}
NO_LENGTH = "{name} is a Dataset, which has no length; a map-style dataset is needed"
NO_TASK = "{name}={value} is not a name, a path, a function or a Task"
LONG_TAIL = "{name}={value} is not a finite number of at least 1"
ONE_SOURCE = "data_dir=None and dataset=None: exactly one of them is needed"
NO_COLUMN = "has no {name} {value}; it has: image, label"

LOSS = CHOICE + "cross-entropy, gce"
TABLE = [
    Bad(digits, "epochs", (*NOT_COUNTS, None), COUNT),
    Bad(digits, "batch_size", (*NOT_COUNTS, None), COUNT),
    Bad(digits, "loss", (*NOT_NAMED, None), LOSS),
    Bad(Classification, "label_smoothing", (*NOT_SHARES_FROM_0, None), SHARE_FROM_0),
    Bad(Classification, "label_smoothing", (0.1,), "{name}={value}: loss='gce' has none", more={"loss": "gce"}),
    Bad(Classification, "loss", (*NOT_NAMED, None), LOSS),
    Bad(Classification, "q", (*NOT_SHARES, None), SHARE),
    Bad(Classification, "head", (3, ["0"]), TEXT, TypeError),
    Bad(classification, "head", ("", "1"), "{name}={value} is not an nn.Linear of the model"),
    Bad(Regression, "variance", NOT_FLAGS, FLAG, TypeError),
    Bad(Regression, "scale", (*NOT_POSITIVE, None), POSITIVE),
    Bad(Regression, "head", (3, ["0"]), TEXT, TypeError),
    Bad(regression, "head", ("", "1"), "{name}={value} is not an nn.Linear of the model"),
    Bad(LoaderConfig, "workers", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(LoaderConfig, "prefetch", (*NOT_COUNTS, None), COUNT),
    Bad(LoaderConfig, "collate", NOT_CALLABLE, CALLABLE, TypeError),
    Bad(WarmupDecay, "warm", NOT_PARTS, PART),
    Bad(OneCycle, "warm", NOT_PARTS, PART),
    Bad(OneCycle, "div", (*NOT_POSITIVE, None), POSITIVE),
    Bad(OneCycle, "final_div", (*NOT_POSITIVE, None), POSITIVE),
    Bad(FlipCrop, "padding", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(ResizedCrop, "area", (*NOT_SHARES, None), SHARE),
    Bad(ResizedCrop, "ratio", (0.5, NAN, INF, True, "2", None), "{name}={value} is not a number of at least 1"),
    Bad(Recipe, "epochs", (*NOT_COUNTS, None), COUNT),
    Bad(Recipe, "batch_size", (*NOT_COUNTS, None), COUNT),
    Bad(Recipe, "optimizer", (*NOT_CALLABLE, None), CALLABLE, TypeError),
    Bad(Recipe, "schedule", (*NOT_CALLABLE, None), CALLABLE, TypeError),
    Bad(Recipe, "augment", NOT_CALLABLE, CALLABLE, TypeError),
    Bad(Recipe, "precision", (*NOT_NAMED, None), CHOICE + "float32, bfloat16"),
    Bad(Recipe, "evaluation_batch_size", (*NOT_COUNTS, None), COUNT),
    Bad(Recipe, "max_grad_norm", NOT_POSITIVE, POSITIVE),
    Bad(small_task, "name", (3, None), TEXT, TypeError),
    Bad(small_task, "train", (endless(),), NO_LENGTH, TypeError),
    Bad(small_task, "train", (tensors(0),), "{name} is empty", more={"validation": tensors()}),
    Bad(small_task, "validation", (endless(),), NO_LENGTH, TypeError),
    Bad(small_task, "validation", (tensors(0),), "{name} is empty; at least one sample is needed"),
    Bad(small_task, "test", (endless(),), NO_LENGTH, TypeError),
    Bad(small_task, "test", (tensors(0),), "{name} is empty; at least one sample is needed"),
    Bad(small_task, "make_model", (*NOT_CALLABLE, None), CALLABLE, TypeError),
    Bad(small_task, "make_model", (nn.Linear(4, 3),), "{name}={value} is a model; a function that makes", TypeError),
    Bad(small_task, "objective", (3, None, "accuracy"), "{name}={value} is not an objective", TypeError),
    Bad(small_task, "objective", (Classification,), "{name}={value} is not an objective", TypeError),
    Bad(small_task, "recipe", (3, None, {"epochs": 3}), "{name}={value} is a {kind}; a Recipe", TypeError),
    Bad(small_task, "validation_fraction", (*NOT_SHARES, None), SHARE),
    Bad(small_task, "validation_fraction", (1, 0.001), "fraction={value} of 20 samples leaves one part of the split"),
    Bad(small_task, "true_labels", (3, [0, 1]), "{name}={value} is a {kind}; a Tensor is needed", TypeError),
    Bad(small_task, "train_rows", (3, [0, 1]), "{name}={value} is a {kind}; a Tensor is needed", TypeError),
    Bad(small_task, "loading", (3, None), "{name}={value} is a {kind}; a LoaderConfig is needed", TypeError),
    Bad(small_task, "final_metrics", NOT_CALLABLE, CALLABLE, TypeError),
    Bad(make_task, "task", (3, 0.5, None, ["digits"]), NO_TASK, TypeError),
    Bad(make_task, "task", ("digit", ""), CHOICE + "digits, cifar10, "),
    Bad(register_task, "name", (3, None), TEXT, TypeError),
    Bad(register_task, "name", ("", "my:own"), "{name}={value} cannot name a task: letters, digits, "),
    Bad(register_task, "env_id", ("Mine-v0", "DataSelect/Mine", "DataSelect/"), "{name}={value} is not of the form "),
    Bad(register_task, "env_id", ("a b/c d-v0", "/X-v0", "A/B/C-v0", "A/-v0", "A/B-v00"), "{name}={value} is not of "),
    Bad(register_task, "env_id", ("A/B-v1", "A/B-v0\n", "A/é-v0"), "{name}={value} is not of the form "),
    *(Bad(register_task, text, (3, None), TEXT, TypeError) for text in ("env_id", "data", "origin")),
    *(Bad(register_task, text, (3, None), TEXT, TypeError) for text in ("description", "paper")),
    Bad(register_task, "needs", (3, None, "timm"), "{name}={value} is not a list of texts", TypeError),
    Bad(make_task, "epoch", (3,), "argument '{name}'; this task takes: epochs, batch_size", TypeError),
    Bad(split, "dataset", (endless(),), NO_LENGTH, TypeError),
    Bad(split, "fraction", (*NOT_SHARES, None), SHARE),
    Bad(split, "fraction", (1, 0.001), "{name}={value} of 20 samples leaves one part of the split empty"),
    Bad(split, "seed", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    *(
        row
        for cifar in (cifar10, cifar100)
        for row in (
            Bad(cifar, "data_dir", (*NOT_PATHS, None), PATH, TypeError),
            Bad(cifar, "data_dir", ("/no/such",), "{name}={value} is not a folder", FileNotFoundError),
            Bad(cifar, "model", (*NOT_NAMED, None), CHOICE + "small-cnn, resnet18"),
            Bad(cifar, "precision", (*NOT_NAMED, None), CHOICE + "float32, bfloat16"),
            Bad(cifar, "loss", (*NOT_NAMED, None), LOSS),
            Bad(cifar, "epochs", NOT_COUNTS, COUNT),
            Bad(cifar, "batch_size", (*NOT_COUNTS, None), COUNT),
        )
    ),
    Bad(image_folder, "data_dir", NOT_PATHS, PATH, TypeError),
    Bad(image_folder, "data_dir", (None,), ONE_SOURCE),
    Bad(image_folder, "data_dir", ("/no/such",), "{name}={value} is not a folder", FileNotFoundError),
    Bad(image_folder, "dataset", ("name",), "{name}={value}: exactly one of them is needed"),
    Bad(image_folder, "dataset", NOT_PATHS, PATH, TypeError, {"data_dir": None}),
    Bad(saved_image_folder, "image_column", (*NOT_NAMED, None), NO_COLUMN),
    Bad(saved_image_folder, "label_column", (*NOT_NAMED, None), NO_COLUMN),
    Bad(image_folder, "model", (3, None), TEXT, TypeError),
    Bad(image_folder, "model", ("resnet", "", "timm"), "{name}={value} is not known; known are: small-cnn, resnet18"),
    Bad(image_folder, "image_size", (*NOT_COUNTS, None), COUNT),
    Bad(image_folder, "image_size", (17,), "{name}={value} is not a multiple of 16", more={"model": "vit"}),
    Bad(image_folder, "epochs", (*NOT_COUNTS, None), COUNT),
    Bad(image_folder, "batch_size", (*NOT_COUNTS, None), COUNT),
    Bad(image_folder, "learning_rate", NOT_POSITIVE, POSITIVE),
    Bad(image_folder, "workers", NOT_COUNTS_FROM_0, COUNT_FROM_0),
    Bad(image_folder, "precision", (*NOT_NAMED, None), CHOICE + "float32, bfloat16"),
    Bad(image_folder, "loss", (*NOT_NAMED, None), LOSS),
    Bad(text_classification, "data_dir", NOT_PATHS, PATH, TypeError),
    Bad(text_classification, "data_dir", (None,), ONE_SOURCE),
    Bad(text_classification, "data_dir", ("/no/such",), "{name}={value} is not a folder", FileNotFoundError),
    Bad(text_classification, "dataset", ("name",), "{name}={value}: exactly one of them is needed"),
    Bad(text_classification, "dataset", NOT_PATHS, PATH, TypeError, {"data_dir": None}),
    *(
        row
        for column in ("text_column", "label_column")
        for row in (
            Bad(text_classification, column, (2, -1), "has 2 columns; {name}={value} needs more"),
            Bad(text_classification, column, ("other", ""), "has no {name} {value}; it has: text, label"),
            Bad(text_classification, column, (1.5, True, ["text"]), "{name}={value} is neither the name", TypeError),
        )
    ),
    Bad(text_classification, "model", (3, None), TEXT, TypeError),
    Bad(text_classification, "max_length", (*NOT_COUNTS, None), COUNT),
    Bad(text_classification, "epochs", NOT_COUNTS, COUNT),
    Bad(text_classification, "batch_size", (*NOT_COUNTS, None), COUNT),
    Bad(text_classification, "learning_rate", NOT_POSITIVE, POSITIVE),
    Bad(text_classification, "precision", (*NOT_NAMED, None), CHOICE + "float32, bfloat16"),
    Bad(text_classification, "loss", (*NOT_NAMED, None), LOSS),
    Bad(instruction_tuning, "data_dir", (*NOT_PATHS, None), PATH, TypeError),
    Bad(instruction_tuning, "data_dir", ("/no/such",), "{name}={value} is not a folder or file", FileNotFoundError),
    Bad(instruction_tuning, "model", (3, None), TEXT, TypeError),
    Bad(instruction_tuning, "lora_rank", NOT_COUNTS, COUNT),
    Bad(instruction_tuning, "lora_rank", (4,), "{name}={value}: adapters need a trained model"),
    Bad(instruction_tuning, "lora_alpha", (*NOT_COUNTS, None), COUNT),
    Bad(instruction_tuning, "max_length", (*NOT_COUNTS, None, 7), "{name}={value} is not a whole number of at least 8"),
    Bad(instruction_tuning, "epochs", NOT_COUNTS, COUNT),
    Bad(instruction_tuning, "batch_size", (*NOT_COUNTS, None), COUNT),
    Bad(instruction_tuning, "learning_rate", NOT_POSITIVE, POSITIVE),
    Bad(instruction_tuning, "precision", NOT_NAMED, CHOICE + "float32, bfloat16"),
    Bad(instruction_tuning, "mmlu_dir", NOT_PATHS, PATH, TypeError),
    Bad(instruction_tuning, "mmlu_dir", ("/no/such",), "/no/such has no test/<subject>_test.csv", FileNotFoundError),
    Bad(instruction_tuning, "mmlu_shots", (*NOT_COUNTS_FROM_0, None, 6), COUNT_FROM_0 + " and at most 5"),
    Bad(small_task, "truth", (3, None, ["copy_of"]), "{name}={value} is a {kind}; a Mapping is needed", TypeError),
    Bad(
        small_task,
        "truth",
        ({"cost": 3}, {"keep_fraction": 3}, {"seed": 3}, {"reward/price": 3}),
        "{name} has the name '",
    ),
    Bad(small_task, "truth", ({3: 3},), "name in {name}=3 is a int; a str is needed", TypeError),
    Bad(small_task, "truth", ({"copy_of": 3},), "{name}['copy_of']=3 is a int; a Tensor is needed", TypeError),
    Bad(
        make_variant,
        "samples",
        (0, -1, 2.5, True, "3", 19),
        "{name}={value} is not a whole number of at least 1 and at most 18",
    ),
    Bad(make_variant, "samples_seed", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(make_variant, "label_noise", NOT_PARTS, PART),
    Bad(make_variant, "label_noise_kind", (*NOT_NAMED, None), CHOICE + "symmetric, pairs"),
    Bad(make_variant, "label_noise_seed", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
    Bad(make_variant, "noisy_sets", (3, None), "{name}={value} is not a sequence of names", TypeError),
    Bad(make_variant, "noisy_sets", ("rest", ""), CHOICE + "train, validation, test"),
    Bad(make_variant, "noisy_sets", ((), ("train", "train")), "{name}={value} must name at least one set"),
    Bad(make_variant, "label_noise_file", NOT_PATHS, PATH, TypeError),
    Bad(make_variant, "label_noise_file", ("/no/such",), "{name}={value}: there is no such file", FileNotFoundError),
    Bad(make_variant, "label_noise_key", ("worse",), "{name}={value} names an entry of label_noise_file; give that"),
    Bad(make_variant, "imbalance_factor", (0, 0.5, NAN, INF, True, "2", None), LONG_TAIL),
    Bad(make_variant, "imbalance_seed", (*NOT_COUNTS_FROM_0, None), COUNT_FROM_0),
]
# What stands in a row for what is exported, since the value shows only in use.
STANDS_FOR: dict[Any, Any] = {
    classification: Classification,
    regression: Regression,
    small_task: Task,
    saved_image_folder: image_folder,
}
