"""The shape of a model: its numbers of parameters, layers and heads, read without loading it."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticity.errors import UserError
from elasticity.study import ModelFolder, Pretrained


@dataclass(frozen=True)
class Shape:
    """A decoder in the manner of Llama. ``tied``: one matrix is both the embedding and the output layer."""

    parameters: int
    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    key_value_heads: int
    head_size: int
    vocabulary: int
    tied: bool

    @property
    def embedding(self) -> int:
        """Parameters of the embedding, and of the output layer."""
        return self.vocabulary * self.hidden_size

    @property
    def layer(self) -> int:
        """Parameters of one layer."""
        return (self.parameters - self.embedding * (1 if self.tied else 2)) // self.layers


def shape_of(model: Pretrained | ModelFolder) -> Shape:
    """The shape of a model of a study, of a folder's by its files.

    Raises ``UserError`` if the files do not tell.
    """
    if isinstance(model, ModelFolder):
        return _of_folder(Path(model.path))
    return llama(
        layers=model.layers,
        hidden_size=model.hidden_size,
        intermediate_size=model.intermediate_size,
        heads=model.heads,
        key_value_heads=model.heads,
        head_size=model.hidden_size // model.heads,
        vocabulary=model.vocabulary,
        tied=True,
    )


def _of_folder(folder: Path) -> Shape:
    """Parameters are counted in the files of weights; where they are not there yet, as those of a Llama."""
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        raise UserError(f"{folder} is not a model folder: it holds no config.json that can be read") from None
    hidden = _value(folder, config, "hidden_size", "n_embd")
    heads = _value(folder, config, "num_attention_heads", "n_head")
    tied = config.get("tie_word_embeddings", True)  # old files leave it out where it is true
    described = {
        "layers": _value(folder, config, "num_hidden_layers", "n_layer"),
        "hidden_size": hidden,
        "intermediate_size": config.get("intermediate_size") or config.get("n_inner") or 4 * hidden,
        "heads": heads,
        "key_value_heads": config.get("num_key_value_heads") or heads,
        "head_size": config.get("head_dim") or hidden // heads,
        "vocabulary": _value(folder, config, "vocab_size"),
        "tied": tied,
    }
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        return llama(**described)
    return Shape(parameters=sum(_parameters_in(path, tied) for path in files), **described)


def _value(folder: Path, config: dict[str, Any], *keys: str) -> int:
    """The value of the first of these keys that the file has: models name the same thing differently."""
    for key in keys:
        if isinstance(value := config.get(key), int):
            return value
    raise UserError(
        f"{folder}/config.json has no number {' or '.join(keys)}: memory and time of its jobs cannot be planned. "
        "Use a dense decoder in the hub's layout, such as a Llama, Qwen, Gemma or GPT-2."
    )


def llama(
    *,
    layers: int,
    hidden_size: int,
    intermediate_size: int,
    heads: int,
    key_value_heads: int,
    head_size: int,
    vocabulary: int,
    tied: bool,
) -> Shape:
    """A Llama without biases: queries, keys, values, output, three matrices of the feed-forward part, two norms."""
    attention = 2 * hidden_size * head_size * (heads + key_value_heads)
    layer = attention + 3 * hidden_size * intermediate_size + 2 * hidden_size
    parameters = layers * layer + (1 if tied else 2) * vocabulary * hidden_size + hidden_size
    return Shape(
        parameters, layers, hidden_size, intermediate_size, heads, key_value_heads, head_size, vocabulary, tied
    )


def _parameters_in(path: Path, tied: bool) -> int:
    """Elements of the tensors of a safetensors file: its header is JSON behind eight bytes that hold its length."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return sum(
            math.prod(tensor["shape"])
            for name, tensor in header.items()
            if name != "__metadata__" and not (tied and name.endswith("lm_head.weight"))  # some store it nevertheless
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise UserError(f"{path} is not a safetensors file: {error}. Fetch the model again.") from None
