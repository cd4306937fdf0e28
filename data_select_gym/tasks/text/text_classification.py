"""Text classification: from files or a Hugging Face data set, by a small encoder or a checkpoint of transformers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import nn

from data_select_gym.arguments import check_count, check_kind, check_one_given, check_path, check_place, check_positive
from data_select_gym.task_registry import ORIGINS, register_task
from data_select_gym.tasks import hugging_face
from data_select_gym.tasks.class_numbers import number_classes
from data_select_gym.tasks.float32 import in_float32
from data_select_gym.tasks.objectives import CROSS_ENTROPY, classification
from data_select_gym.tasks.recipe import Recipe, WarmupDecay
from data_select_gym.tasks.sequences import Sequences
from data_select_gym.tasks.task import Task
from data_select_gym.tasks.text.text_files import Column, Texts, read_texts
from data_select_gym.tasks.text.text_models import PretrainedEncoder, TextEncoder, check_checkpoint
from data_select_gym.tasks.text.tokenized_texts import TokenizedTexts
from data_select_gym.tasks.text.vocabulary import PADDING, Vocabulary
from data_select_gym.tasks.tokenization import load_tokenizer

# Epochs, largest learning rate, weight decay and label smoothing.
FROM_SCRATCH = (10, 1e-3, 0.05, 0.1)
FINE_TUNING = (3, 2e-5, 0.01, 0.0)

# Tokens of each text, uncut; and of each text cut to a number of tokens.
Encode: TypeAlias = Callable[[list[str], int | None], list[list[int]]]


@register_task(
    "text_classification",
    env_id="DataSelect/TextClassification-v0",
    description="a transformer encoder from scratch, or a checkpoint of transformers",
    data="data_dir, with TSV, CSV or JSON lines, or a Hugging Face dataset",
    origin="data_dir is a folder with train.tsv, .csv or .jsonl and optionally dev and test, such as SST-2 from "
    "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip; dataset is a folder or a name such as 'stanfordnlp/sst2' "
    "of https://huggingface.co/datasets",
)
def text_classification(
    *,
    data_dir: str | os.PathLike[str] | None = None,
    dataset: str | None = None,
    text_column: Column = None,
    label_column: Column = None,
    model: str = "encoder",
    max_length: int = 128,
    epochs: int | None = None,
    batch_size: int = 32,
    learning_rate: float | None = None,
    precision: str = "float32",
    loss: str = CROSS_ENTROPY,
) -> Task:
    """Text classification.

    With a labelled test set, that is reported and the data's validation set validates. Without one, the data's
    validation set is reported. If none is left to validate, a tenth of the training set is split off. Texts longer than
    ``max_length`` are cut, and a warning counts them.

    Args:
        data_dir: folder with ``train``, and optionally ``dev`` (or ``validation``, ``valid``, ``val``) and ``test``, as
            ``.tsv``, ``.csv`` or ``.jsonl``; see :func:`~data_select_gym.tasks.text.text_files.read_texts`.
        dataset: instead of ``data_dir``, a Hugging Face data set by its path on disk or its name on the hub; see
            :func:`~data_select_gym.tasks.hugging_face.open_dataset`.
        text_column: of the texts; if None, ``sentence`` or ``text``, or the first column of files without a header. A
            number counts the columns of such files from 0.
        label_column: of the labels; if None, ``label`` or the second column.
        model: ``"encoder"`` for a transformer encoder with one layer, trained from scratch, with a vocabulary of words
            from the training set; or a checkpoint of ``transformers``, by its folder or its name on the hub.
        max_length: the most tokens read of a text.
        epochs: of a full-data run; 10 for the encoder and 3 for a checkpoint if None.
        batch_size: samples in a minibatch.
        learning_rate: the largest of the run; 0.001 for the encoder and 0.00002 for a checkpoint if None.
        precision: ``"float32"``, or ``"bfloat16"`` for automatic mixed precision.
        loss: that is trained on: ``"cross-entropy"``, with label smoothing for the encoder; or ``"gce"``, generalised
            cross-entropy, which is robust to wrong labels, see :class:`~data_select_gym.tasks.Classification`.

    Raises:
        FileNotFoundError: ``data_dir`` is not a folder, or has no training file.
        ValueError: both or none of ``data_dir`` and ``dataset`` are given, an argument is out of its range, the data
            has another form, or the checkpoint cannot be used.
        TypeError: a path is not a path, or ``model`` is not a string.
        ImportError: a library for ``dataset`` or ``model`` is not installed.
    """
    model = check_place("model", check_kind("model", model, str))
    own = model == "encoder"
    default_epochs, default_rate, weight_decay, label_smoothing = FROM_SCRATCH if own else FINE_TUNING
    objective = classification(loss, label_smoothing=label_smoothing, head="head")
    epochs = default_epochs if epochs is None else check_count("epochs", epochs)
    rate = default_rate if learning_rate is None else check_positive("learning_rate", learning_rate)
    batch_size = check_count("batch_size", batch_size)
    max_length = check_count("max_length", max_length)
    check_one_given(ORIGINS["text_classification"], data_dir=data_dir, dataset=dataset)
    if dataset is not None:
        check_path("dataset", dataset)
        splits = hugging_face.texts(dataset, text_column=text_column, label_column=label_column)
    elif data_dir is not None:
        splits = read_texts(data_dir, text_column, label_column)
    classes, targets = number_classes({split: part.labels for split, part in splits.items()})
    encode, padding, make_model = (
        _own_encoder(splits["train"], max_length, len(classes)) if own else _checkpoint(model, max_length, len(classes))
    )
    sets = {
        split: TokenizedTexts(_tokenized(splits[split], encode, max_length), labels, padding)
        for split, labels in targets.items()
    }
    if "test" not in sets and "validation" in sets:
        sets["test"] = sets.pop("validation")
    return Task(
        name="TextClassification",
        train=sets["train"],
        validation=sets.get("validation"),  # type: ignore[arg-type]
        test=sets.get("test"),
        make_model=partial(in_float32, make_model),
        objective=objective,
        recipe=Recipe(
            epochs=epochs,
            batch_size=batch_size,
            optimizer=partial(torch.optim.AdamW, lr=rate, weight_decay=weight_decay),
            schedule=WarmupDecay(0.1),
            precision=precision,
            max_grad_norm=1.0,
        ),
    )


def _own_encoder(train: Texts, max_length: int, classes: int) -> tuple[Encode, int, Callable[[], nn.Module]]:
    vocabulary = Vocabulary.fit(train.texts)

    def encode(texts: list[str], most: int | None) -> list[list[int]]:
        return [tokens[:most] for tokens in vocabulary.encode(texts)]

    return encode, PADDING, partial(TextEncoder, len(vocabulary), max_length, classes)


def _checkpoint(name: str, max_length: int, classes: int) -> tuple[Encode, int, Callable[[], nn.Module]]:
    """A checkpoint's encoding function, its padding token and a function that makes its model.

    Raises:
        ValueError: there is no such checkpoint, or it cannot be used; or ``max_length`` is more than it can read.
        ImportError: transformers is not installed.
    """
    tokenizer = load_tokenizer(name)
    check_checkpoint(name, tokenizer, max_length)

    def encode(texts: list[str], most: int | None) -> list[list[int]]:
        found = tokenizer(texts, truncation=most is not None, max_length=most, verbose=False)["input_ids"]
        return found  # type: ignore[no-any-return]

    # The mask hides the padding, so a tokenizer without a padding token loses nothing.
    padding = 0 if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
    return encode, padding, partial(PretrainedEncoder, name, classes)


def _tokenized(part: Texts, encode: Encode, max_length: int) -> Sequences:
    """The tokens of texts, cut to ``max_length``, with a warning that counts the cut ones.

    Raises:
        ValueError: a text has no token.
    """
    tokens = encode(part.texts, None)
    for row, found in enumerate(tokens):
        if not len(found):
            raise ValueError(f"{part.labels.place(row)}: the tokenizer finds no token in {part.texts[row]!r}")
    long = sum(len(found) > max_length for found in tokens)
    if long:
        warnings.warn(
            f"{part.labels.source}: {long} of {len(tokens)} texts are cut after max_length={max_length} tokens",
            stacklevel=3,
        )
        tokens = encode(part.texts, max_length)
    return Sequences.of(tokens)
