"""The models of a study, by where they come from."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from elasticity.config.base import Ascending, Name, Section, Side
from elasticity.config.data import Repository, Revision, Sha256
from elasticity.config.training import FineTuning, Optimization


class Pretrained(Section):
    """A Llama with a byte-level BPE tokenizer, both trained in the workflow on a task's pre-training split."""

    kind: Literal["pretrain"]
    task: Name
    vocabulary: Annotated[int, Field(ge=260)] = Field(description="Tokens, 256 bytes and 3 special ones included")
    hidden_size: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    context: int = Field(ge=2, description="Tokens in one pre-training sequence")
    updates: PositiveInt = Field(description="Optimizer updates of the whole run")
    checkpoints: Annotated[tuple[NonNegativeInt, ...], Ascending] = Field(
        (), description="Earlier updates kept as models of their own, named MODEL-stepN; 0: the random weights"
    )
    optimization: Optimization
    seed: NonNegativeInt = 0

    @property
    def intermediate_size(self) -> int:
        """Width of the feed-forward layers: 8/3 of the hidden size, a multiple of 8."""
        return -(-self.hidden_size * 8 // 24) * 8

    @model_validator(mode="after")
    def _consistent(self) -> "Pretrained":
        if self.checkpoints and self.checkpoints[-1] >= self.updates:
            raise ValueError(f"checkpoints must lie before the last update ({self.updates})")
        if self.hidden_size % (2 * self.heads):
            raise ValueError(f"hidden_size must be a multiple of twice the number of heads ({2 * self.heads})")
        return self


class ModelFolder(Section):
    """A local folder in the hub's layout: config.json, safetensors and a fast tokenizer."""

    kind: Literal["folder"]
    path: str


class ModelShape(Section):
    """What a study says of a model that is not here yet: its jobs are planned by it, and the import checks it."""

    layers: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    heads: PositiveInt
    key_value_heads: PositiveInt
    head_size: PositiveInt
    vocabulary: PositiveInt
    tied: bool = Field(False, description="Whether one matrix is both the embedding and the output layer")
    gated: bool = Field(True, description="Whether the feed-forward layers have three matrices, as a Llama's, or two")


class HubModel(Section):
    """A model on the Hugging Face hub. Gated ones need the variable HF_TOKEN where `fetch` runs."""

    kind: Literal["hub"]
    repo: Repository
    revision: Revision = Field(description="A commit, or a tag or branch that its authors do not move")
    shape: ModelShape


class GgufModel(Section):
    """A GGUF file; its weights are unpacked to fp32 when it is imported."""

    kind: Literal["gguf"]
    package: str | None = Field(None, description="The Python package that carries the file; null: a local file")
    path: str = Field(description="Relative to the package's folder, or to the folder that Snakemake runs in")
    sha256: Sha256 | None = Field(None, description="If given, the file must have this checksum")
    shape: ModelShape


class TunedModel(Section):
    """Another model of the study after fine-tuning, as a base of its own: the instruction warm-up, for example."""

    kind: Literal["tuned"]
    base: Name
    task: Name
    side: Side = Field(description="The split of the task to train on")
    examples: PositiveInt
    tuning: FineTuning
    seed: NonNegativeInt = 0


ImportedModel = ModelFolder | HubModel | GgufModel


Model = Annotated[Pretrained | ModelFolder | HubModel | GgufModel | TunedModel, Field(discriminator="kind")]
