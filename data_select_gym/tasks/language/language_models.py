"""Causal language models of transformers: small ones with fresh weights, or checkpoints."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from data_select_gym.tasks.recipe import PRECISIONS
from data_select_gym.tasks.tokenization import NEEDED

# Models of the Llama family, and the most tokens of a tokenizer fitted for each.
SIZES: dict[str, dict[str, Any]] = {
    "small": {"hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 2},
    "medium": {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8, "num_attention_heads": 8},
}
VOCABULARY = {"small": 1024, "medium": 8192}


class CausalModel(nn.Module):
    """A causal language model of transformers that takes a dict of its inputs and returns logits.

    Attributes:
        network: the model of transformers or peft.
    """

    def __init__(self, network: Any) -> None:
        """Wrap the model and turn its cache off."""
        super().__init__()
        self.network = network
        network.config.use_cache = False

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Logits ``(n, W, V)`` for ``input_ids`` and ``attention_mask``, each ``(n, W)``."""
        logits: Tensor = self.network(**inputs).logits
        return logits


def fresh_model(size: str, tokenizer: Any, max_length: int) -> CausalModel:
    """A model of the Llama family with fresh weights: one of ``SIZES``, its embeddings tied to its last layer.

    Raises:
        ImportError: transformers is not installed.
    """
    try:
        from transformers import LlamaConfig, LlamaForCausalLM
    except ImportError as error:
        raise ImportError(f"model={size!r} needs transformers: {NEEDED}") from error
    config = LlamaConfig(
        **SIZES[size],
        vocab_size=len(tokenizer),
        max_position_embeddings=max_length,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    return CausalModel(LlamaForCausalLM(config))


def load_model(name: str, *, lora_rank: int | None, lora_alpha: int, precision: str) -> CausalModel:
    """A checkpoint, by its folder or its name on the hub; with ``lora_rank`` only adapters are trained.

    Trained weights are in float32; frozen ones are in ``precision``.

    Raises:
        ImportError: transformers is not installed, or peft if it is needed.
        ValueError: there is no such checkpoint of a causal language model.
    """
    try:
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise ImportError(f"model={name!r} needs transformers: {NEEDED}") from error
    dtype = torch.float32 if lora_rank is None else PRECISIONS[precision]
    try:
        network = AutoModelForCausalLM.from_pretrained(name, dtype=dtype)
    # Damaged files raise errors of any kind.
    except Exception as error:
        raise ValueError(f"model={name!r} cannot be loaded as a causal language model: {error}") from error
    return CausalModel(network if lora_rank is None else _with_adapters(network, lora_rank, lora_alpha))


def _with_adapters(network: Any, rank: int, alpha: int) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=alpha, target_modules="all-linear")
    with warnings.catch_warnings():
        # peft uses a deprecated name of transformers, and reports that it corrects the layout of GPT-2's layers.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out", UserWarning)
        return get_peft_model(network, config)


def check_checkpoint(name: str, max_length: int, lora_rank: int | None) -> None:
    """Check a checkpoint before its weights are loaded.

    Raises:
        ImportError: transformers is not installed, or peft if it is needed.
        ValueError: there is no such checkpoint, or it takes no sequences of ``max_length`` tokens.
    """
    try:
        from transformers import AutoConfig
    except ImportError as error:
        raise ImportError(f"model={name!r} needs transformers: {NEEDED}") from error
    if lora_rank is not None:
        try:
            import peft  # noqa: F401
        except ImportError as error:
            raise ImportError(f"lora_rank={lora_rank!r} needs peft: pip install 'data-select-gym[peft]'") from error
    try:
        config = AutoConfig.from_pretrained(name)
    except Exception as error:
        raise ValueError(
            f"model={name!r} is neither one of {', '.join(SIZES)} nor a checkpoint that can be loaded: {error}"
        ) from error
    most = getattr(config, "max_position_embeddings", None)
    if most is not None and max_length > most:
        raise ValueError(f"max_length={max_length!r}: model={name!r} takes at most {most} tokens")


def adamw(parameters: Iterable[nn.Parameter], *, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW for the trained weights, as usual for language models: no decay of vectors."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim >= 2], "weight_decay": 0.1},
        {"params": [parameter for parameter in trained if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate, betas=(0.9, 0.95))
