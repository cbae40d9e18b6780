"""Shapes of models: numbers of parameters, layers, heads and widths, read without loading the weights."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from elasticity.config.models import GgufModel, HubModel, Model, ModelFolder, ModelShape, Pretrained, TunedModel
from elasticity.core.errors import UserError

TOLERANCE = 0.02
"""Largest relative difference between the parameters of a model and those of a Llama of its shape, without biases."""


@dataclass(frozen=True)
class Shape:
    """The shape of a Llama-like decoder. ``tied``: one matrix is both the embedding and the output layer."""

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
        """Parameters of the embedding; the output layer has as many."""
        return self.vocabulary * self.hidden_size

    @property
    def layer(self) -> int:
        """Parameters of one decoder layer."""
        return (self.parameters - self.embedding * (1 if self.tied else 2)) // self.layers

    def adapter(self, rank: int) -> int:
        """Parameters of the low-rank adapters of one layer: rank · (inputs + outputs), summed over its 7 matrices."""
        queries, keys = self.heads * self.head_size, self.key_value_heads * self.head_size
        attention = 2 * (self.hidden_size + queries) + 2 * (self.hidden_size + keys)
        return rank * (attention + 3 * (self.hidden_size + self.intermediate_size))


def shape_of(model: Model) -> Shape:
    """The shape of a model of a study: read from the files of a model folder, otherwise as the study describes it.

    Raises ``UserError`` if the files of a folder do not give it, and ``TypeError`` for a fine-tuned model, whose shape
    is that of its base model.
    """
    if isinstance(model, ModelFolder):
        return _of_folder(Path(model.path))
    if isinstance(model, HubModel | GgufModel):
        return llama(**model.shape.model_dump())
    if isinstance(model, TunedModel):
        raise TypeError(f"a fine-tuned model has the shape of its base model: ask for that of {model.base}")
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


def pretrained_shape(model: Pretrained, vocabulary: int) -> Shape:
    """The shape of a model that is pre-trained here, with a tokenizer of this many tokens."""
    return shape_of(model.model_copy(update={"vocabulary": vocabulary}))


def check_shape(described: ModelShape, found: Shape, where: str) -> None:
    """Compare the shape that a study describes with that of the model; ``where`` names the model in messages.

    Raises ``UserError`` that names a value that differs. The number of parameters may differ by ``TOLERANCE``, because
    biases and norms are not described.
    """
    expected = llama(**described.model_dump())
    for name in (field.name for field in fields(Shape) if field.name != "parameters"):
        if getattr(found, name) != getattr(expected, name):
            raise UserError(
                f"{where} has {name} {getattr(found, name)}, but the study's shape says {getattr(expected, name)}: "
                "correct the shape or the revision in the study"
            )
    if abs(found.parameters / expected.parameters - 1) > TOLERANCE:
        raise UserError(
            f"{where} has {found.parameters} parameters, but a model of the study's shape has {expected.parameters}: "
            "check `gated`, which says whether the feed-forward layers have three matrices or two"
        )


def _of_folder(folder: Path) -> Shape:
    """The shape of a model folder. Parameters are counted in its files of weights, or computed if there are none yet.

    Raises ``UserError`` if its configuration or a file of weights cannot be read.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        raise UserError(f"{folder} is not a model folder: it holds no readable config.json") from None
    shape = shape_in(config, f"{folder}/config.json")
    files = sorted(folder.glob("model*.safetensors"))
    return replace(shape, parameters=sum(_parameters_in(path, shape.tied) for path in files)) if files else shape


def shape_in(config: Mapping[str, Any], where: str) -> Shape:
    """The shape that a configuration of transformers describes, with the parameters of a Llama of this shape.

    ``where`` names the configuration in messages. Raises ``UserError`` if it lacks a number.
    """

    def value(*keys: str) -> int:
        """The number under the first of these keys that the configuration has; architectures use different names."""
        for key in keys:
            if isinstance(found := config.get(key), int):
                return found
        raise UserError(
            f"{where} has no number {' or '.join(keys)}, so memory and time of its jobs cannot be planned. Use a dense "
            "decoder in the hub's layout, such as a Llama, Qwen, Gemma or GPT-2."
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
        tied=config.get("tie_word_embeddings", True),  # older files omit it if it is true
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
    """The shape of a Llama without biases, with its number of parameters.

    A layer has the matrices of queries, keys, values and output, two norms, and three matrices of the feed-forward part
    (two if it is not ``gated``, as in a GPT).
    """
    attention = 2 * hidden_size * head_size * (heads + key_value_heads)
    layer = attention + (3 if gated else 2) * hidden_size * intermediate_size + 2 * hidden_size
    parameters = layers * layer + (1 if tied else 2) * vocabulary * hidden_size + hidden_size
    return Shape(
        parameters, layers, hidden_size, intermediate_size, heads, key_value_heads, head_size, vocabulary, tied
    )


def _parameters_in(path: Path, tied: bool) -> int:
    """Number of elements of the tensors of a safetensors file, read from its header.

    The file begins with eight bytes that hold the length of the header, which is JSON. Raises ``UserError`` if the file
    has another format.
    """
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return sum(
            math.prod(tensor["shape"])
            for name, tensor in header.items()
            if name != "__metadata__" and not (tied and name.endswith("lm_head.weight"))  # some store it twice
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise UserError(f"{path} is not a safetensors file: {error}. Download the model again.") from None
