"""Settings of pre-training and fine-tuning: the optimizer, the algorithm, adapters, and the data of a control."""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from elasticity.config.algorithms import ALGORITHMS, AnyAlgorithm
from elasticity.config.base import Name, Section

Precision = Literal["auto", "bf16", "fp32"]


class Optimization(Section):
    """AdamW and its schedule. The paper states neither warm-up nor batch size nor clipping."""

    learning_rate: PositiveFloat
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="linear and cosine end at a tenth of learning_rate"
    )
    warmup_updates: NonNegativeInt = 0
    batch_size: PositiveInt = Field(description="Examples in one optimizer update")
    weight_decay: float = Field(0.0, ge=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.95, ge=0, lt=1)
    gradient_clip: PositiveFloat = 1.0
    precision: Precision = Field(
        "auto",
        description="Precision of forward and backward passes (the weights are fp32). auto: bf16 on devices that "
        "compute in it natively",
    )

    @property
    def adapter_rank(self) -> int:
        """The rank of the low-rank adapters that are trained; 0 if all weights are."""
        return 0

    @property
    def bf16_weights(self) -> bool:
        """Whether the weights and the optimizer are bf16 instead of fp32."""
        return False

    @property
    def alone(self) -> str:
        """Why the job must run in one process; empty if it may run in several."""
        return ""

    @property
    def rows(self) -> int:
        """The number of sequences that one example of a batch consists of."""
        return 1

    @property
    def draws(self) -> int:
        """The maximal number of tokens of each response that training draws; 0 if it draws none.

        A job that draws keeps the model at the start of the stage and a score model in memory.
        """
        return 0


class Lora(Section):
    """Low-rank adapters on all linear layers instead of full fine-tuning; checkpoints are merged models."""

    rank: PositiveInt = 16
    alpha: PositiveFloat = 32.0


class Data(Section):
    """Training data of an inverse stage that replace the opposite side of its own task: a control.

    With the same side of its own task, the inverse stage continues after the examples that the alignment stage saw.
    """

    task: Name | None = Field(None, description="null: the task of the experiment")
    side: Literal["opposite", "same", "neutral"] = Field(
        description="opposite and same: relative to the side of the alignment stage"
    )


class FineTuning(Optimization):
    """Fine-tuning of all weights, or of adapters, with the loss on the response only."""

    algorithm: AnyAlgorithm = Field(
        default_factory=lambda: ALGORITHMS["sft"].model_validate({"kind": "sft"}),
        json_schema_extra={"default": {"kind": "sft"}},
    )
    lora: Lora | None = None
    data: Data | None = Field(
        None, description="Data of an inverse stage; null: the opposite side of the experiment's task"
    )
    epochs: PositiveInt = 1
    optimizer: Literal["fresh", "carried"] = Field(
        "fresh",
        description="carried: AdamW of an inverse stage starts with the alignment stage's moments and step counts",
    )
    weights: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="bf16: weights and optimizer without fp32 masters, so small updates are lost",
    )
    extrapolation: float = Field(
        0.0,
        ge=0,
        description="EpiCoDe's mu: how far the final weights are moved away from those after the first epoch",
    )
    max_length: int = Field(ge=2, description="Maximal number of tokens of an example; the rest is cut off")

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
            return (
                "optimizer: carried takes the state of the alignment stage's optimizer, which one process has saved "
                "whole"
            )
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
    def _check_batch_size(self) -> "FineTuning":
        self.algorithm.check_batch_size(self.batch_size)
        return self

    @model_validator(mode="after")
    def _check_data(self) -> "FineTuning":
        if self.data and self.algorithm.kind != "sft":
            raise ValueError(
                f"{self.algorithm.kind} sets the sides of a task against each other: data is for sft only, leave it out"
            )
        return self

    @model_validator(mode="after")
    def _check_weights(self) -> "FineTuning":
        if self.bf16_weights and (self.lora or self.draws):
            raise ValueError(
                "weights: bf16 is for full fine-tuning on given responses: use neither lora nor ppo with it"
            )
        return self

    @model_validator(mode="after")
    def _check_extrapolation(self) -> "FineTuning":
        if self.extrapolation and self.epochs < 2:
            raise ValueError(
                "extrapolation starts from the weights after the first epoch: set epochs to 2 or more, or leave it out"
            )
        return self

    def updates(self, examples: int) -> int:
        """Return the number of optimizer updates on this many examples, all epochs; the last batch may be smaller."""
        return self.algorithm.updates_per_batch * -(-examples * self.epochs // self.batch_size)

    def first_epoch_updates(self, examples: int) -> int:
        """Return the number of updates after which every example was seen.

        The last of them may hold examples of the second epoch.
        """
        return self.model_copy(update={"epochs": 1}).updates(examples)

    def can_extrapolate(self, examples: int) -> bool:
        """Return whether the weights after the first epoch differ from the final ones; True without extrapolation."""
        return self.extrapolation == 0 or self.first_epoch_updates(examples) < self.updates(examples) or examples == 0
