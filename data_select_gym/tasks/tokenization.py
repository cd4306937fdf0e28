"""Tokenizers of transformers: fitted on texts, or loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

END = "<|endoftext|>"
NEEDED = "pip install 'data-select-gym[transformers]'"


def fit_tokenizer(texts: Iterable[str], size: int) -> Any:
    """A byte-level byte-pair encoding, fitted on ``texts``, with at most ``size`` tokens; it can encode any text.

    Raises:
        ImportError: transformers is not installed.
    """
    try:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        from transformers import PreTrainedTokenizerFast
    except ImportError as error:
        raise ImportError(f"fitting a tokenizer needs transformers: {NEEDED}") from error
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)  # type: ignore[no-untyped-call]


def load_tokenizer(name: str) -> Any:
    """The tokenizer of a checkpoint, by its folder or its name on the hub.

    Raises:
        ImportError: transformers is not installed.
        ValueError: there is no such checkpoint, or it has no tokenizer.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise ImportError(f"model={name!r} needs transformers: {NEEDED}") from error
    try:
        return AutoTokenizer.from_pretrained(name)
    # Damaged files raise errors of any kind.
    except Exception as error:
        raise ValueError(f"model={name!r}: no tokenizer can be loaded: {error}") from error


def encode(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of each text, without special tokens around it."""
    if not texts:
        return []
    tokens: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return tokens


def opening(tokenizer: Any) -> list[int]:
    """The token for the beginning of a text, if the tokenizer adds one."""
    first: list[int] = tokenizer("")["input_ids"][:1]
    return first if first and first[0] == tokenizer.bos_token_id else []
