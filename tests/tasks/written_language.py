"""Files and checkpoints of language models, made for tests."""

import csv
import json
from pathlib import Path
from typing import Any

import torch

from data_select_gym.tasks.tokenization import fit_tokenizer

WORDS = ("red", "blue", "green", "black", "white", "brown")
ROWS = [
    {"question": f"Name {word} thing {number}.", "answer": f"{word} {number}" * (1 + number % 3)}
    for word in WORDS
    for number in range(8)
]
TEXTS = [text for row in ROWS for text in row.values()]


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_questions(folder: Path, subject: str, count: int = 6, split: str = "test") -> Path:
    """MMLU's layout; the right answers are A, B, C, D, A, ..."""
    path = folder / split / f"{subject}_{split}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        for number in range(count):
            csv.writer(file).writerow(
                [f"{split} question {number}?", "one", "two", "three, or so", "four", "ABCD"[number % 4]]
            )
    return path


def write_mmlu(folder: Path, subjects: tuple[str, ...] = ("high_school_art", "logic")) -> Path:
    for subject in subjects:
        write_questions(folder, subject)
        write_questions(folder, subject, 5, "dev")
    return folder


def write_checkpoint(folder: Path, kind: str = "gpt2", positions: int = 64, size: int = 300) -> Path:
    """A causal language model with random weights, and its tokenizer, which has no token for padding."""
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    tokenizer = fit_tokenizer(TEXTS, size)
    shape: dict[str, Any] = {"vocab_size": len(tokenizer), "bos_token_id": None, "eos_token_id": 0}
    wide: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": positions,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any
        if kind == "gpt2":
            model = GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=positions, **shape))
        elif kind == "llama":
            model = LlamaForCausalLM(LlamaConfig(**wide, **shape))
        else:
            model = Qwen2ForCausalLM(Qwen2Config(**wide, **shape))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
