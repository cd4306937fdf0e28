"""Models for tokenised texts, given as a dict of ``input_ids`` and ``attention_mask``, each ``(n, W)``."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from data_select_gym.tasks.text.vocabulary import PADDING, UNKNOWN

WIDTH, HEADS, LAYERS = 64, 4, 1
EMBEDDING_DROPOUT, DROPOUT, WORD_DROPOUT = 0.6, 0.5, 0.1


class TextEncoder(nn.Module):
    """A transformer encoder for training from scratch on a few thousand texts, with strong dropout for that reason.

    Each word is an embedding with a learned position; the words of a text are averaged after the layers. In training, a
    tenth of the words are replaced by the unknown word.
    """

    def __init__(self, words: int, positions: int, classes: int) -> None:
        """Make the model with fresh weights.

        Args:
            words: size of the vocabulary.
            positions: the longest text, in tokens.
            classes: number of logits.
        """
        super().__init__()
        self.words = nn.Embedding(words, WIDTH, padding_idx=PADDING)
        self.positions = nn.Embedding(positions, WIDTH)
        for embedding, deviation in ((self.words, 0.1), (self.positions, 0.02)):
            nn.init.normal_(embedding.weight, std=deviation)
        self.dropout = nn.Dropout(EMBEDDING_DROPOUT)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 2 * WIDTH, DROPOUT, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.pooled_dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Logits ``(n, classes)``."""
        tokens, there = inputs["input_ids"], inputs["attention_mask"]
        if self.training:
            hidden = torch.rand(tokens.shape, dtype=torch.float32, device=tokens.device) < WORD_DROPOUT
            tokens = torch.where(hidden & there, UNKNOWN, tokens)
        embedded = self.words(tokens) + self.positions.weight[: tokens.shape[1]]
        states = self.layers(self.dropout(embedded), src_key_padding_mask=~there)
        return self.head(self.pooled_dropout(mean_over(states, there)))  # type: ignore[no-any-return]


class PretrainedEncoder(nn.Module):
    """The body of a ``transformers`` checkpoint, its last hidden states averaged over the text, and a fresh head."""

    def __init__(self, name: str, classes: int, dropout: float = 0.1) -> None:
        """Load the body in float32.

        Args:
            name: folder of the checkpoint, or its name on the hub.
            classes: number of logits.
            dropout: of the averaged states.

        Raises:
            ValueError: there is no such checkpoint.
        """
        from transformers import AutoModel

        super().__init__()
        try:
            self.body: Any = AutoModel.from_pretrained(name, dtype=torch.float32)
        # Damaged files raise errors of any kind.
        except Exception as error:
            raise ValueError(f"model={name!r}: it cannot be loaded: {error}") from error
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.body.config.hidden_size, classes)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Logits ``(n, classes)``."""
        there = inputs["attention_mask"]
        states = self.body(input_ids=inputs["input_ids"], attention_mask=there.long()).last_hidden_state
        return self.head(self.dropout(mean_over(states, there)))  # type: ignore[no-any-return]


def check_checkpoint(name: str, tokenizer: Any, max_length: int) -> None:
    """Check that a checkpoint can read a text of ``max_length`` tokens and returns a state for each.

    Raises:
        ValueError: it cannot.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(name)
    except Exception as error:
        raise ValueError(f"model={name!r}: it cannot be loaded: {error}") from error
    if config.is_encoder_decoder:
        raise ValueError(f"model={name!r} has an encoder and a decoder; a checkpoint with one of them is needed")
    most = min(tokenizer.model_max_length, getattr(config, "max_position_embeddings", None) or math.inf)
    if max_length > most:
        raise ValueError(f"max_length={max_length!r} is more than the {most} tokens that model={name!r} can read")


def mean_over(states: Tensor, there: Tensor) -> Tensor:
    """Means ``(n, D)`` of the states ``(n, W, D)`` of each text, over the places of its mask ``(n, W)``."""
    weights = there.unsqueeze(2).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)
