"""Models as ordinary folders in the hub's layout: config.json, safetensors, tokenizer.json."""

import platform
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging

from elasticity.errors import UserError
from elasticity.settings import Precision
from elasticity.study import Pretrained

logging.disable_progress_bar()


def one_thread() -> None:
    """Two processes of one thread each beat one process of two; and sums do not depend on the number of cores."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def new_model(shape: Pretrained, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A Llama with random weights and tied embeddings."""
    torch.manual_seed(shape.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return model


def load_model(folder: Path) -> PreTrainedModel:
    """Load a causal language model with fp32 weights; safetensors only, no code from the folder."""
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is not a model folder: it holds no config.json")
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"the model in {folder} cannot be loaded: {error}") from None
    return model


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a complete model folder."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def autocast(precision: Precision) -> torch.autocast:
    """Context of forward passes. Weights stay fp32: at small learning rates bf16 weights would hardly move."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=resolved(precision) == "bf16")


def resolved(precision: Precision) -> Literal["bf16", "fp32"]:
    """``auto`` is bf16 where the processor multiplies it natively: elsewhere it is far slower than fp32."""
    if precision == "auto":
        return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
    return precision


def hardware() -> dict[str, Any]:
    """What ran: for the metrics of a job."""
    return {"machine": platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__}
