"""Checks of a model folder before its weights are read, from the names of its files and its configuration."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING

from elasticity.core.errors import UserError
from elasticity.models.model_configs import check_text_model, read_config

INDEX = "model.safetensors.index.json"
"""The file that says which file holds which tensor, in a folder with several files of weights."""


def check_present(folder: Path) -> None:
    """Raise ``UserError`` if a model folder is gone, or if its index names files outside of it.

    This holds for every folder that is loaded, also those that the workflow has written.
    """
    if not folder.is_dir() and folder.parent.name != "checkpoints":
        raise UserError(f"the model folder {folder} does not exist: put the model there, or correct its path")
    if not folder.is_dir():  # of a run of this workflow
        raise UserError(
            f"the checkpoint {folder} is gone. To make it again, delete the folder {folder.parent} and run the same "
            "command again: the job that wrote it runs anew"
        )
    if not (folder / INDEX).is_file():
        return
    try:
        files: dict[str, str] = json.loads((folder / INDEX).read_text())["weight_map"]
        outside = next((name for name in files.values() if Path(name).name != name or name in ("", "..")), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{folder / INDEX} cannot be read as an index of tensors: fetch the model again") from None
    if outside is not None:
        raise UserError(
            f"{folder / INDEX} names the file {outside!r}: an index may only name files beside it, without a folder. "
            "Fetch the model again, from a source that you trust"
        )


def check_folder(folder: Path) -> None:
    """Raise ``UserError`` if a folder does not hold a whole causal language model in safetensors."""
    check_present(folder)
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


def check_config(config: Mapping[str, Any], source: str) -> None:
    """Raise ``UserError`` if a configuration is not that of a causal language model with plain weights.

    ``source`` names the model in messages.
    """
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
    check_text_model(config, source)


def _instead(folder: Path) -> str:
    """What to do about the weights that a folder holds in another form."""
    if any(folder.glob("*.gguf")):
        return "use kind: gguf for its GGUF file"
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt*")):
        return "convert them; pickles (.bin) are not read"
    return "put model.safetensors there"
