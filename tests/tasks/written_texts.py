"""Small files of labelled texts, and checkpoints of tiny models with tokenizers."""

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, PreTrainedTokenizerFast

GOOD, BAD = ("fine", "warm", "wise"), ("dull", "cold", "slow")
OTHERS = ("a", "film", "of", "the", "and", "it", "is")


def draw_texts(count: int, seed: int) -> list[tuple[str, int]]:
    """Texts of 3 to 11 words, of which one says what the label is."""
    random = np.random.default_rng(seed)
    rows = []
    for label in random.integers(2, size=count).tolist():
        words = [str(word) for word in random.choice(OTHERS, size=random.integers(2, 11))]
        words.insert(int(random.integers(len(words))), str(random.choice(GOOD if label else BAD)))
        rows.append((" ".join(words), label))
    return rows


def write_texts(folder: Path, **sizes: int) -> Path:
    """Files of tab-separated values, as many rows in each as ``sizes`` says."""
    folder.mkdir(exist_ok=True)
    for seed, (name, count) in enumerate(sizes.items()):
        rows = draw_texts(count, seed)
        (folder / f"{name}.tsv").write_text("".join(f"{text}\t{label}\n" for text, label in rows))
    return folder


def write_checkpoint(folder: Path, kind: str = "bert") -> str:
    """A tiny BERT, or a tiny GPT-2 whose tokenizer has no token for padding; both read 32 tokens."""
    words = ["[UNK]", "[PAD]", *OTHERS, *GOOD, *BAD]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    special = {"unk_token": "[UNK]"} | ({"pad_token": "[PAD]"} if kind == "bert" else {})
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    torch.manual_seed(0)
    if kind == "bert":
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=32, **sizes)).save_pretrained(folder)
    else:
        config = GPT2Config(vocab_size=len(words), n_positions=32, n_embd=16, n_layer=1, n_head=2)
        GPT2Model(config).save_pretrained(folder)
    return str(folder)
