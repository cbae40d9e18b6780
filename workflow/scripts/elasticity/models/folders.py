"""What a model folder must hold before its weights are read. Everything is told from its files, without torch."""

from pathlib import Path

from transformers import CONFIG_MAPPING

from elasticity.core.errors import UserError
from elasticity.models.model_configs import Config, check_causal, read_config

ENCODERS = ("vision_config", "audio_config", "speech_config", "encoder_config")
"""Sections in the configuration of a model that reads more than text, or of one with an encoder."""


def check_folder(folder: Path) -> None:
    """Raise ``UserError`` if a folder does not hold a whole causal language model in safetensors."""
    if (folder / "adapter_config.json").is_file():
        raise UserError(
            f"{folder} holds an adapter (adapter_config.json), not a whole model: merge it into its base model first, "
            "with peft's merge_and_unload and save_pretrained, and use that folder"
        )
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is not a model folder: it holds no config.json")
    if not any(folder.glob("*.safetensors")):
        raise UserError(f"{folder} holds no weights in safetensors: {_instead(folder)}")
    check_config(read_config(folder / "config.json"), str(folder))


def check_config(config: Config, source: str) -> None:
    """Raise ``UserError`` if a configuration is not that of a causal language model with plain weights.

    ``source`` names the model in messages.
    """
    if quantized := config.get("quantization_config"):
        method = quantized.get("quant_method", "") if isinstance(quantized, dict) else ""
        raise UserError(
            f"{source} holds quantized weights ({method or 'quantization_config'}), which cannot be trained: use the "
            "model before quantization"
        )
    known, kind = config.get("model_type") in CONFIG_MAPPING, config.get("model_type")
    if not known and config.get("auto_map"):
        raise UserError(
            f"{source} needs code of its own (auto_map in config.json), and code of models is not run: use a model of "
            "an architecture that transformers has"
        )
    if not known:
        raise UserError(
            f"{source} is of a kind that this version of transformers does not know (model_type {kind!r} in "
            "config.json): correct it, or use another model"
        )
    if found := [name for name in ENCODERS if name in config]:
        raise UserError(
            f"{source} reads more than text ({found[0]} in config.json): save its language model alone, or use a model "
            "for text"
        )
    check_causal(config, source)


def _instead(folder: Path) -> str:
    """What to do about the weights that a folder holds in another form."""
    if any(folder.glob("*.gguf")):
        return "use kind: gguf for its GGUF file"
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt*")):
        return "convert them; pickles (.bin) are not read"
    return "put model.safetensors there"
