"""Instruction tuning: a causal language model learns the answers to prompts."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from data_select_gym.arguments import check_count, check_kind, check_path, check_place, check_positive
from data_select_gym.task_registry import register_task
from data_select_gym.tasks.float32 import in_float32
from data_select_gym.tasks.language.completions import encode_conversations, render
from data_select_gym.tasks.language.instructions import Conversation, find_parts, read_conversations
from data_select_gym.tasks.language.language_models import (
    SIZES,
    VOCABULARY,
    adamw,
    check_checkpoint,
    fresh_model,
    load_model,
)
from data_select_gym.tasks.language.language_objective import LanguageModelling
from data_select_gym.tasks.language.mmlu import Mmlu
from data_select_gym.tasks.recipe import Recipe, WarmupDecay
from data_select_gym.tasks.task import Task
from data_select_gym.tasks.tokenization import fit_tokenizer, load_tokenizer

VALIDATION_FRACTION = 0.05
# Epochs and learning rate: fresh weights, all weights of a checkpoint, adapters.
FRESH, TUNED, ADAPTED = (6, 5e-3), (3, 2e-5), (3, 2e-4)


@register_task(
    "instruction_tuning",
    env_id="DataSelect/InstructionTuning-v0",
    description="a causal language model from scratch, or a checkpoint, whole or by LoRA",
    data="data_dir, with JSON lines as Alpaca's, GSM8K's or chat messages",
    origin="data_dir is a folder with train.jsonl or train.json, or one such file, such as alpaca_data.json from "
    "https://github.com/tatsu-lab/stanford_alpaca or databricks-dolly-15k.jsonl from "
    "https://huggingface.co/datasets/databricks/databricks-dolly-15k",
)
def instruction_tuning(
    *,
    data_dir: str | os.PathLike[str],
    model: str = "small",
    lora_rank: int | None = None,
    lora_alpha: int = 16,
    max_length: int = 1024,
    epochs: int | None = None,
    batch_size: int = 16,
    learning_rate: float | None = None,
    precision: str | None = None,
    mmlu_dir: str | os.PathLike[str] | None = None,
    mmlu_shots: int = 5,
) -> Task:
    """Prompts and answers from JSON files; the loss is on the answers alone.

    Args:
        data_dir: folder with ``train.jsonl`` or ``.json``, and optionally ``validation`` or ``dev``, and ``test``; or
            one file, the training set. See
            :func:`~data_select_gym.tasks.language.instructions.read_conversations`.
        model: ``"small"`` (0.17 million weights) or ``"medium"`` (30 million): fresh weights and a tokenizer
            fitted on the training text; or a checkpoint of transformers, by its folder or its name on the hub.
        lora_rank: trains adapters of this rank instead of all weights (LoRA, arXiv 2106.09685); needs peft.
        lora_alpha: the adapters' output is multiplied by this over the rank.
        max_length: the most tokens of a sample; longer ones are cut.
        epochs: of a full-data run; 6 for fresh weights and 3 for a checkpoint if None.
        batch_size: samples in a minibatch.
        learning_rate: the largest of the run; 5e-3 for fresh weights, 2e-5 for a checkpoint and 2e-4 for adapters if
            None.
        precision: ``"float32"`` or ``"bfloat16"``; if None, bfloat16 if the GPU has it.
        mmlu_dir: folder with MMLU's files, to measure the accuracy on them at the end of a run.
        mmlu_shots: examples in each of MMLU's prompts, in [0, 5].

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an argument is out of its range, or a file is damaged.
        TypeError: a path is not a path, or ``model`` is not a string.
        ImportError: transformers or peft is needed and not installed.
    """
    model = check_place("model", check_kind("model", model, str))
    max_length = check_count("max_length", max_length, least=8)
    mmlu_shots = check_count("mmlu_shots", mmlu_shots, least=0, most=5)
    batch_size = check_count("batch_size", batch_size)
    lora_alpha = check_count("lora_alpha", lora_alpha)
    if lora_rank is not None:
        lora_rank = check_count("lora_rank", lora_rank)
        if model in SIZES:
            raise ValueError(
                f"lora_rank={lora_rank!r}: adapters need a trained model, and model={model!r} has fresh weights"
            )
    if learning_rate is not None:
        learning_rate = check_positive("learning_rate", learning_rate)
    if precision is None:
        precision = "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"
    default_epochs, default_rate = FRESH if model in SIZES else TUNED if lora_rank is None else ADAPTED
    epochs = default_epochs if epochs is None else check_count("epochs", epochs)
    mmlu = None if mmlu_dir is None else check_path("mmlu_dir", mmlu_dir)
    files = find_parts(data_dir)
    conversations = {part: read_conversations(path) for part, path in files.items()}
    if model in SIZES:
        tokenizer, make_model = _fresh(model, conversations["train"], max_length)
    else:
        check_checkpoint(model, max_length, lora_rank)
        tokenizer = load_tokenizer(model)
        make_model = partial(load_model, model, lora_rank=lora_rank, lora_alpha=lora_alpha, precision=precision)
    parts = {
        part: encode_conversations(several, tokenizer, max_length, str(files[part]))
        for part, several in conversations.items()
    }
    return Task(
        name="Instruction tuning",
        train=parts["train"],
        validation=parts.get("validation"),  # type: ignore[arg-type]  # a share of train is split off
        test=parts.get("test"),
        validation_fraction=VALIDATION_FRACTION,
        make_model=partial(in_float32, make_model),
        objective=LanguageModelling(),
        recipe=_recipe(epochs, batch_size, default_rate if learning_rate is None else learning_rate, precision),
        final_metrics=None if mmlu is None else Mmlu(mmlu, tokenizer, max_length=max_length, shots=mmlu_shots),
    )


def _fresh(size: str, train: list[Conversation], max_length: int) -> tuple[Any, Callable[[], nn.Module]]:
    """A tokenizer fitted on the training conversations, and a function that makes a model for it."""
    tokenizer = fit_tokenizer((text for conversation in train for text in render(conversation)), VOCABULARY[size])
    return tokenizer, partial(fresh_model, size, tokenizer, max_length)


def _recipe(epochs: int, batch_size: int, learning_rate: float, precision: str) -> Recipe:
    return Recipe(
        epochs=epochs,
        batch_size=batch_size,
        optimizer=partial(adamw, learning_rate=learning_rate),
        schedule=WarmupDecay(0.1),
        precision=precision,
        # Takes no more memory than training, which keeps gradients.
        evaluation_batch_size=2 * batch_size,
        max_grad_norm=1.0,
    )
