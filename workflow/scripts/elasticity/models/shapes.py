"""Shapes of models: numbers of parameters, layers, heads and widths, known without loading the weights."""

import json
import math
from dataclasses import dataclass, fields, replace
from pathlib import Path

from elasticity.config.models import GgufModel, HubModel, Model, ModelFolder, ModelShape, Pretrained, TunedModel
from elasticity.core.errors import UserError
from elasticity.core.hub import hub_file
from elasticity.models.gguf_header import gguf_file, read_gguf_shape
from elasticity.models.model_configs import Config, check_text_model, described, experts, read_config

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
    """The shape of a model of a study: as the study describes it, or read from the model's own configuration.

    Of a model on the hub, ``config.json`` is downloaded once and then kept in the hub's cache.

    Raises ``UserError`` if the configuration cannot be read or does not give the shape, and ``TypeError`` for a
    fine-tuned model, whose shape is that of its base model.
    """
    if isinstance(model, ModelFolder):
        return _of_folder(Path(model.path))
    if isinstance(model, HubModel | GgufModel) and model.shape:
        return llama(**model.shape.model_dump())
    if isinstance(model, HubModel):
        return _on_hub(model)
    if isinstance(model, GgufModel):
        in_header, parameters = read_gguf_shape(gguf_file(model))
        return replace(llama(**in_header.model_dump()), parameters=parameters)
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


def _on_hub(model: HubModel) -> Shape:
    try:
        file = hub_file(model.repo, model.revision, "config.json", "model")
    except UserError as error:
        raise UserError(f"{error}. Or give the `shape` of the model in the study: docs/models.md") from None
    return shape_in(read_config(file), f"{model.repo} at revision {model.revision}")


def _of_folder(folder: Path) -> Shape:
    """The shape of a model folder. Parameters are counted in its files of weights, or computed if there are none yet.

    Raises ``UserError`` if its configuration or a file of weights cannot be read.
    """
    shape = shape_in(read_config(folder / "config.json"), f"{folder}/config.json")
    files = sorted(folder.glob("model*.safetensors"))
    return replace(shape, parameters=sum(_parameters_in(path, shape.tied) for path in files)) if files else shape


def shape_in(config: Config, where: str) -> Shape:
    """The shape that a configuration of transformers describes, with the parameters of a Llama of this shape.

    ``where`` names the configuration in messages. Raises ``UserError`` if it lacks a number, or is that of no causal
    language model with plain weights.
    """
    check_text_model(config, where)
    shape = llama(**described(config, where).model_dump())
    more = (experts(config) - 1) * 3 * shape.hidden_size * shape.intermediate_size
    return replace(shape, parameters=shape.parameters + shape.layers * more)


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
