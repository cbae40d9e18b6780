"""Models and tokenizers as ordinary folders in the hub's layout: config.json, safetensors, tokenizer.json."""

import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging

from elasticity.errors import UserError
from elasticity.study import Precision, Pretrained

logging.disable_progress_bar()

SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def one_thread() -> None:
    """Two processes of one thread each beat one process of two; and sums do not depend on the number of cores."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE with this many tokens, bytes and special tokens included: any text can be encoded."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, clean_up_tokenization_spaces=False, **SPECIAL_TOKENS)


def new_model(shape: Pretrained, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A Llama with random weights: tied embeddings, feed-forward width 8/3 of the hidden size (a multiple of 8)."""
    torch.manual_seed(shape.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=-(-shape.hidden_size * 8 // 24) * 8,
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


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load a fast tokenizer that has tokens for beginning, end and padding."""
    with _explained(folder, "tokenizer.json"):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UserError(f"the tokenizer in {folder} is not a fast one: it needs a tokenizer.json")
    missing = [name for name in SPECIAL_TOKENS if getattr(tokenizer, name) is None]
    if missing:
        raise UserError(f"the tokenizer in {folder} has no {', '.join(missing)}: set it in tokenizer_config.json")
    return tokenizer


def load_model(folder: Path) -> PreTrainedModel:
    """Load a causal language model with fp32 weights; safetensors only, no code from the folder."""
    with _explained(folder, "config.json"):
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
    return model


@contextmanager
def _explained(folder: Path, needed: str) -> Iterator[None]:
    """Turn the errors of transformers into one that names the folder."""
    if not (folder / needed).is_file():
        raise UserError(f"{folder} is not a model folder: it holds no {needed}")
    try:
        yield
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} cannot be loaded: {error}") from None


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a complete model folder."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """Token ids of each text without special tokens; text that looks like a special token is taken as text."""
    encoded: list[list[int]] = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return encoded


def decode(tokenizer: PreTrainedTokenizerFast, tokens: list[int]) -> str:
    """The text of tokens, special tokens left out."""
    return str(tokenizer.decode(tokens, skip_special_tokens=True))


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
