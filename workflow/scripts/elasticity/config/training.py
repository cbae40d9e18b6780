"""Settings of training and sampling, and the base of every section of a study."""

from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from elasticity.config.algorithms import ALGORITHMS, AnyAlgorithm
from elasticity.config.base import Name, Section

Precision = Literal["auto", "bf16", "fp32"]


class Optimization(Section):
    """AdamW and its schedule. Warm-up, batch size and clipping are unstated in the paper."""

    learning_rate: PositiveFloat
    schedule: Literal["constant", "linear", "cosine"] = Field("constant", description="The last two end at a tenth")
    warmup_updates: NonNegativeInt = 0
    batch_size: PositiveInt = Field(description="Examples in one optimizer update")
    weight_decay: float = Field(0.0, ge=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.95, ge=0, lt=1)
    gradient_clip: PositiveFloat = 1.0
    precision: Precision = Field("auto", description="Weights are fp32; this is for the passes. auto: bf16 if native")

    @property
    def adapter_rank(self) -> int:
        """Of the low-rank adapters that are trained; 0: all weights are."""
        return 0

    @property
    def bf16_weights(self) -> bool:
        """Whether the weights and the optimizer are bf16 instead of fp32."""
        return False

    @property
    def alone(self) -> str:
        """Why only one process can train so; empty if several can."""
        return ""

    @property
    def rows(self) -> int:
        """Sequences that an example of a batch consists of."""
        return 1

    @property
    def draws(self) -> int:
        """Tokens of each response that training draws; 0: it draws none, and holds no start and no score model."""
        return 0


class Lora(Section):
    """Low-rank adapters on all linear layers instead of full fine-tuning; checkpoints are merged models."""

    rank: PositiveInt = 16
    alpha: PositiveFloat = 32.0


class Data(Section):
    """What an inverse stage is trained on instead of the opposite side of its own task: a control.

    The same side of its own task goes on behind the examples that the alignment stage saw.
    """

    task: Name | None = Field(None, description="null: the task of the experiment")
    side: Literal["opposite", "same", "neutral"] = Field(description="The first two as seen from the alignment stage")


class FineTuning(Optimization):
    """Fine-tuning of all weights, or of adapters, with the loss on the response only."""

    algorithm: AnyAlgorithm = Field(
        default_factory=lambda: ALGORITHMS["sft"].model_validate({"kind": "sft"}),
        json_schema_extra={"default": {"kind": "sft"}},
    )
    lora: Lora | None = None
    data: Data | None = Field(None, description="Of an inverse stage; null: the opposite side of its own task")
    epochs: PositiveInt = 1
    optimizer: Literal["fresh", "carried"] = Field(
        "fresh",
        description="carried: AdamW of an inverse stage goes on with the alignment stage's moments and step counts",
    )
    weights: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="bf16: weights and optimizer without fp32 masters, so small updates are lost",
    )
    extrapolation: float = Field(
        0.0,
        ge=0,
        description="EpiCoDe's mu: how far the last weights go on, away from those after the first epoch",
    )

    @property
    def adapter_rank(self) -> int:
        """See ``Optimization``."""
        return self.lora.rank if self.lora else 0

    @property
    def bf16_weights(self) -> bool:
        """See ``Optimization``."""
        return self.weights == "bf16"

    @property
    def alone(self) -> str:
        """See ``Optimization``."""
        if self.optimizer == "carried":
            return "optimizer: carried takes the state of the alignment stage's optimizer, which one process has saved whole"
        return "weights: bf16 gives up the fp32 master weights that DeepSpeed keeps" if self.bf16_weights else ""

    @property
    def rows(self) -> int:
        """See ``Optimization``."""
        return self.algorithm.sequences_per_example

    @property
    def draws(self) -> int:
        """See ``Optimization``."""
        return self.algorithm.drawn_tokens

    @model_validator(mode="after")
    def _has_large_enough_batches(self) -> "FineTuning":
        self.algorithm.check_batch_size(self.batch_size)
        return self

    @model_validator(mode="after")
    def _imitates_its_data(self) -> "FineTuning":
        if self.data and self.algorithm.kind != "sft":
            raise ValueError(f"{self.algorithm.kind} sets the sides of a task against each other: data is for sft only")
        return self

    @model_validator(mode="after")
    def _has_weights_to_round(self) -> "FineTuning":
        if self.bf16_weights and (self.lora or self.draws):
            raise ValueError(
                "weights: bf16 is for full fine-tuning on given responses: use neither lora nor ppo with it"
            )
        return self

    @model_validator(mode="after")
    def _has_an_earlier_epoch(self) -> "FineTuning":
        if self.extrapolation and self.epochs < 2:
            raise ValueError("extrapolation goes on from the weights after the first epoch: it needs 2 epochs or more")
        return self

    def updates(self, examples: int) -> int:
        """Optimizer updates that so many examples make, all epochs together; the last batch may be smaller."""
        return self.algorithm.updates_per_batch * -(-examples * self.epochs // self.batch_size)

    def first_epoch_updates(self, examples: int) -> int:
        """The first of them, after which every example was seen; the last may hold examples of the second epoch."""
        return self.model_copy(update={"epochs": 1}).updates(examples)

    def can_extrapolate(self, examples: int) -> bool:
        """Whether weights from after the first epoch differ from the last ones; always without extrapolation."""
        return self.extrapolation == 0 or self.first_epoch_updates(examples) < self.updates(examples) or examples == 0

    max_length: int = Field(ge=2, description="Tokens; the rest of an example is cut off")
