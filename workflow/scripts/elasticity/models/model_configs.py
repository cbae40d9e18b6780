"""What a configuration of transformers, ``config.json``, says about a model; families use different names."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elasticity.config.models import ModelShape
from elasticity.core.errors import UserError

Config = Mapping[str, Any]


LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")


HIDDEN = ("hidden_size", "n_embd", "d_model")


HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads")


KEY_VALUE_HEADS = ("num_key_value_heads", "num_kv_heads", "kv_n_heads")


INTERMEDIATE = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "ffn_hidden")


EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")


UNGATED = (
    *("biogpt", "bloom", "codegen", "falcon", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gpt_neox_japanese"),
    *("gptj", "mpt", "nemotron", "opt", "persimmon", "phi", "starcoder2", "xglm"),
)
"""The families whose feed-forward layers have two matrices."""


CAUSAL = ("ForCausalLM", "LMHeadModel")
"""Ends of the names of classes that predict the next token of a text. Encoders can be loaded as such classes, too."""


ENCODERS = ("vision_config", "audio_config", "speech_config", "encoder_config")
"""Sections in the configuration of a model that reads more than text, or of one with an encoder."""


def read_config(file: Path) -> Config:
    """Read a ``config.json``. Raises ``UserError`` if it is not there or is no JSON object."""
    try:
        config = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise UserError(f"{file.parent} is not a model folder: it holds no readable {file.name}")
    return config


def check_text_model(config: Config, source: str) -> None:
    """Raise ``UserError`` if a configuration is not that of a causal language model with plain weights.

    ``source`` names the model in messages.
    """
    if quantized := config.get("quantization_config"):
        method = quantized.get("quant_method", "") if isinstance(quantized, dict) else ""
        raise UserError(
            f"{source} holds quantized weights ({method or 'quantization_config'}), which cannot be trained: use the "
            "model before quantization"
        )
    if found := [name for name in ENCODERS if name in config]:
        raise UserError(
            f"{source} reads more than text ({found[0]} in config.json): save its language model alone, or use a model "
            "for text"
        )
    saved_as = [str(name) for name in config.get("architectures") or []]
    if config.get("is_encoder_decoder") or (saved_as and not any(name.endswith(CAUSAL) for name in saved_as)):
        kind = f"was saved as {', '.join(saved_as)}" if saved_as else "is an encoder with a decoder"
        raise UserError(f"{source} {kind}, which is no causal language model: use a model that predicts the next token")


def described(config: Config, where: str) -> ModelShape:
    """The shape that a configuration describes; of a model with experts, that of a layer with one of them.

    ``where`` names the configuration in messages. Raises ``UserError`` if it lacks a number.
    """
    hidden_size, heads = _number(config, HIDDEN, where), _number(config, HEADS, where)
    widths = ("moe_intermediate_size", *INTERMEDIATE) if experts(config) > 1 else INTERMEDIATE
    return ModelShape(
        layers=_number(config, LAYERS, where),
        hidden_size=hidden_size,
        intermediate_size=_found(config, widths) or 4 * hidden_size,
        heads=heads,
        key_value_heads=_key_value_heads(config, heads),
        head_size=_found(config, ("head_dim",)) or hidden_size // heads,
        vocabulary=_number(config, ("vocab_size",), where),
        tied=config.get("tie_word_embeddings", True),  # older files omit it if it is true
        gated=config.get("model_type") not in UNGATED,
    )


def experts(config: Config) -> int:
    """The number of experts of a feed-forward layer, all of which are in memory; 1 for a dense model."""
    return _found(config, EXPERTS) or 1


def _key_value_heads(config: Config, heads: int) -> int:
    """The number of heads of keys and values, which Falcon and GPT-BigCode can share among all queries."""
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        return 1
    inner = config.get("attn_config")
    return _found(config, KEY_VALUE_HEADS) or _found(inner if isinstance(inner, dict) else {}, KEY_VALUE_HEADS) or heads


def _number(config: Config, keys: tuple[str, ...], where: str) -> int:
    if found := _found(config, keys):
        return found
    raise UserError(
        f"{where} has no number {' or '.join(keys[:2])}, so memory and time of its jobs cannot be planned. Use a dense "
        "decoder in the hub's layout, such as a Llama, Qwen, Gemma or GPT-2."
    )


def _found(config: Config, keys: tuple[str, ...]) -> int | None:
    """The number under the first of these keys that has one; of a list with a number for each layer, the largest."""
    for key in keys:
        value = config.get(key)
        numbers = value if isinstance(value, list) else [value]
        whole = [number for number in numbers if isinstance(number, int) and number > 0]
        if whole and len(whole) == len(numbers):
            return max(whole)
    return None
