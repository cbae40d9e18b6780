"""The models of a study: pre-trained in the workflow, imported, or fine-tuned from another model."""

import math
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from elasticity.config.base import Ascending, Name, Section, Seed, Side
from elasticity.config.data import Repository, Revision, Sha256
from elasticity.config.training import FineTuning, Optimization


class Mixture(Section):
    """Shares of the sides in the pre-training texts, which add up to 1.

    Each place in the order of the texts takes a text of one side. Models that differ in their mixtures alone are
    trained on as many tokens, with the same text at a place wherever they have the same side there.
    """

    positive: float = Field(0.0, ge=0, le=1, description="Share of positive texts")
    negative: float = Field(0.0, ge=0, le=1, description="Share of negative texts")
    neutral: float = Field(0.0, ge=0, le=1, description="Share of neutral texts")

    @property
    def shares(self) -> dict[Side, float]:
        """The sides of which texts are taken, and their shares."""
        sides: dict[Side, float] = {"negative": self.negative, "neutral": self.neutral, "positive": self.positive}
        return {side: share for side, share in sides.items() if share > 0}

    @model_validator(mode="after")
    def _adds_up(self) -> "Mixture":
        total = self.positive + self.negative + self.neutral
        if not math.isclose(total, 1, abs_tol=1e-9):
            raise ValueError(f"the shares of a mixture must add up to 1, but these add up to {total:g}: correct them")
        return self


MOST_WEIGHTS = 10**13
"""More weights than any model has: a study that asks for them was mistyped, and would fail only where it is trained."""


class Pretrained(Section):
    """A Llama model and its byte-level BPE tokenizer, both trained in the workflow on a task's split `pretraining`."""

    kind: Literal["pretrain"]
    task: Name = Field(description="The task whose split `pretraining` the model is trained on")
    vocabulary: Annotated[int, Field(ge=260)] = Field(
        description="Number of tokens, including 256 bytes and 3 special tokens"
    )
    hidden_size: PositiveInt = Field(description="Width of the residual stream, a multiple of twice `heads`")
    layers: PositiveInt = Field(description="Number of Transformer layers")
    heads: PositiveInt = Field(description="Number of attention heads")
    context: int = Field(ge=2, description="Length of a pre-training sequence in tokens")
    updates: PositiveInt = Field(description="Number of optimizer updates")
    checkpoints: Annotated[tuple[NonNegativeInt, ...], Ascending] = Field(
        (),
        description="Updates after which a checkpoint is kept. It can be used as a base model named MODEL-stepN; "
        "step 0 has random weights",
    )
    optimization: Optimization = Field(description="Optimizer, schedule and batch size")
    seed: Seed = Field(0, description="Seed of the initial weights and of the order of the texts")
    mixture: Mixture | None = Field(
        None, description="Shares of the sides in the pre-training texts. null: all texts of the split in their order"
    )

    @property
    def intermediate_size(self) -> int:
        """Width of the feed-forward layers: 8/3 of the hidden size, rounded up to a multiple of 8."""
        return -(-self.hidden_size * 8 // 24) * 8

    @model_validator(mode="after")
    def _consistent(self) -> "Pretrained":
        if self.checkpoints and self.checkpoints[-1] >= self.updates:
            raise ValueError(f"checkpoints must lie before the last update ({self.updates})")
        if self.hidden_size % (2 * self.heads):
            raise ValueError(f"hidden_size must be a multiple of twice the number of heads ({2 * self.heads})")
        if (weights := self.hidden_size * (self.vocabulary + 12 * self.layers * self.hidden_size)) > MOST_WEIGHTS:
            raise ValueError(
                f"about {weights:.0e} weights, more than any model has ({MOST_WEIGHTS:.0e}): lower hidden_size "
                f"({self.hidden_size}), layers ({self.layers}) or vocabulary ({self.vocabulary})"
            )
        return self


class ModelFolder(Section):
    """A local model folder in the Hugging Face layout: config.json, safetensors and a fast tokenizer."""

    kind: Literal["folder"]
    path: str = Field(description="Path of the folder, relative to the folder in which Snakemake runs")


class ModelShape(Section):
    """The shape of a model, by which jobs are planned. It is read from the model's own configuration.

    Giving it here makes planning possible where that is out of reach; the import checks it.
    """

    layers: PositiveInt = Field(description="Number of Transformer layers")
    hidden_size: PositiveInt = Field(description="Width of the residual stream")
    intermediate_size: PositiveInt = Field(description="Width of the feed-forward layers")
    heads: PositiveInt = Field(description="Number of attention heads")
    key_value_heads: PositiveInt = Field(description="Number of heads of keys and values")
    head_size: PositiveInt = Field(description="Width of an attention head")
    vocabulary: PositiveInt = Field(description="Number of rows of the embedding")
    tied: bool = Field(False, description="Whether the embedding is also the output layer")
    gated: bool = Field(
        True, description="Whether feed-forward layers are gated: three matrices, as in Llama, instead of two"
    )


class HubModel(Section):
    """A model on the Hugging Face hub. Gated models need the environment variable HF_TOKEN."""

    kind: Literal["hub"]
    repo: Repository = Field(description="The repository of the model: owner/name")
    revision: Revision = Field(description="The commit to download, or a tag or branch that its authors do not move")
    shape: ModelShape | None = Field(
        None, description="The shape of the model. null: that in its config.json, which is downloaded once"
    )


class GgufModel(Section):
    """A model in a GGUF file. Its weights are converted to fp32 when it is imported."""

    kind: Literal["gguf"]
    package: str | None = Field(
        None, description="The installed Python package that contains the file. null: a local file"
    )
    path: str = Field(
        description="Path of the file, relative to the folder of the package or to the folder in which Snakemake runs"
    )
    sha256: Sha256 | None = Field(None, description="SHA-256 checksum of the file. null: it is not checked")
    shape: ModelShape | None = Field(None, description="The shape of the model. null: that in the header of the file")


class TunedModel(Section):
    """Another model of the study after fine-tuning, such as an instruction-tuned one, used as a base model."""

    kind: Literal["tuned"]
    base: Name = Field(description="The model to fine-tune: a name of `models`, or MODEL-stepN")
    task: Name = Field(description="The task whose examples it is fine-tuned on")
    side: Side = Field(description="The side of the examples")
    examples: PositiveInt = Field(description="Number of examples")
    tuning: FineTuning = Field(description="How it is fine-tuned")
    seed: Seed = Field(0, description="Seed of the order of the examples")


ImportedModel = ModelFolder | HubModel | GgufModel
"""Models that are imported into the workflow."""


Model = Annotated[Pretrained | ModelFolder | HubModel | GgufModel | TunedModel, Field(discriminator="kind")]
