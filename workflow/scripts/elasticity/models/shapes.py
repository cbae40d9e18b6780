"""The shape of a model: its numbers of parameters, layers and heads, read without loading it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from elasticity.config.models import GgufModel, HubModel, Model, ModelFolder, ModelShape, TunedModel
from elasticity.core.errors import UserError

TOLERANCE = 0.02
"""By which share the parameters of a model may differ from those of a Llama of its shape, which has no biases."""


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

    def adapter(self, rank: int) -> int:
        """Parameters of the low-rank adapters of one layer: rank · (inputs + outputs) of each of its seven matrices."""
        queries, keys = self.heads * self.head_size, self.key_value_heads * self.head_size
        attention = 2 * (self.hidden_size + queries) + 2 * (self.hidden_size + keys)
        return rank * (attention + 3 * (self.hidden_size + self.intermediate_size))


def shape_of(model: Model) -> Shape:
    """The shape of a model of a study: of a folder's by its files, of one that is not here yet by what the study says.

    A tuned model has that of its origin: ask for that. Raises ``UserError`` if the files do not tell.
    """
    if isinstance(model, ModelFolder):
        return _of_folder(Path(model.path))
    if isinstance(model, HubModel | GgufModel):
        return llama(**model.shape.model_dump())
    if isinstance(model, TunedModel):
        raise TypeError(f"the shape of a tuned model is that of its origin, not of {model}")
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


def check_shape(described: ModelShape, found: Shape, where: str) -> None:
    """Compare what a study says of a model with the model itself.

    Raises ``UserError`` that names a value that differs. Parameters may differ by biases and norms.
    """
    expected = llama(**described.model_dump())
    for name in (field.name for field in fields(Shape) if field.name != "parameters"):
        if getattr(found, name) != getattr(expected, name):
            raise UserError(
                f"{where} has {name} {getattr(found, name)}, but the study's shape says {getattr(expected, name)}: "
                "correct the study, or the revision"
            )
    if abs(found.parameters / expected.parameters - 1) > TOLERANCE:
        raise UserError(
            f"{where} has {found.parameters} parameters, but a model of the study's shape has {expected.parameters}: "
            "is `gated` right? It says whether the feed-forward layers have three matrices or two"
        )


def _of_folder(folder: Path) -> Shape:
    """Parameters are counted in the files of weights; where they are not there yet, as those of a Llama."""
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        raise UserError(f"{folder} is not a model folder: it holds no config.json that can be read") from None
    shape = shape_in(config, f"{folder}/config.json")
    files = sorted(folder.glob("model*.safetensors"))
    return replace(shape, parameters=sum(_parameters_in(path, shape.tied) for path in files)) if files else shape


def shape_in(config: Mapping[str, Any], where: str) -> Shape:
    """The shape of a Llama with a configuration in the words of transformers.

    Raises ``UserError`` if a number is missing; ``where`` the configuration is from is for its message.
    """

    def value(*keys: str) -> int:
        """The first of these keys that there is: models name the same thing differently."""
        for key in keys:
            if isinstance(found := config.get(key), int):
                return found
        raise UserError(
            f"{where} has no number {' or '.join(keys)}: memory and time of its jobs cannot be planned. "
            "Use a dense decoder in the hub's layout, such as a Llama, Qwen, Gemma or GPT-2."
        )

    hidden, heads = value("hidden_size", "n_embd"), value("num_attention_heads", "n_head")
    return llama(
        layers=value("num_hidden_layers", "n_layer"),
        hidden_size=hidden,
        intermediate_size=config.get("intermediate_size") or config.get("n_inner") or 4 * hidden,
        heads=heads,
        key_value_heads=config.get("num_key_value_heads") or heads,
        head_size=config.get("head_dim") or hidden // heads,
        vocabulary=value("vocab_size"),
        tied=config.get("tie_word_embeddings", True),  # old files leave it out where it is true
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
    gated: bool = True,
) -> Shape:
    """A Llama without biases: queries, keys, values, output, three matrices of the feed-forward part, two norms.

    Two matrices if it is not ``gated``, as in a GPT.
    """
    attention = 2 * hidden_size * head_size * (heads + key_value_heads)
    layer = attention + (3 if gated else 2) * hidden_size * intermediate_size + 2 * hidden_size
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
