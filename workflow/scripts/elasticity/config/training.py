"""Settings of pre-training and fine-tuning: optimizer, algorithm, adapters and data."""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from elasticity.config.algorithms import ALGORITHMS, AnyAlgorithm
from elasticity.config.base import Candidates, Name, Section, candidates
from elasticity.config.sampling import Contrast

Precision = Literal["auto", "bf16", "fp32"]
"""The data type of forward and backward passes; weights are fp32 unless the recipe says otherwise."""


class Optimization(Section):
    """AdamW, its learning rate schedule, and the batch size."""

    learning_rate: PositiveFloat = Field(description="Peak learning rate")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant",
        description="Learning rate after warm-up. linear decays to a tenth of the peak, cosine to 0 as in transformers",
    )
    warmup_updates: NonNegativeInt = Field(0, description="Optimizer updates of linear warm-up")
    batch_size: PositiveInt = Field(description="Examples in one optimizer update")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of AdamW")
    beta1: float = Field(0.9, ge=0, lt=1, description="Decay rate of the first moment of AdamW")
    beta2: float = Field(0.95, ge=0, lt=1, description="Decay rate of the second moment of AdamW")
    gradient_clip: PositiveFloat = Field(1.0, description="Maximum norm of the gradient")
    precision: Precision = Field(
        "auto",
        description="Data type of forward and backward passes; master weights are fp32, and on CPUs attention. auto: "
        "bf16 on devices with native support, else fp32",
    )

    @property
    def adapter_rank(self) -> int:
        """Rank of the low-rank adapters that are trained; 0 if all weights are trained."""
        return 0

    @property
    def bf16_weights(self) -> bool:
        """Whether the weights and the optimizer state are bf16 instead of fp32."""
        return False

    @property
    def alone(self) -> str:
        """Why training needs a single process without DeepSpeed, as a clause; empty if it does not."""
        return ""

    @property
    def rows(self) -> int:
        """Sequences in one example of a batch."""
        return 1

    @property
    def draws(self) -> int:
        """Tokens of each response that is sampled during training; 0 if none are.

        Only such training keeps the initial model and a score model in memory.
        """
        return 0


class Lora(Section):
    """Low-rank adapters on all linear layers instead of full fine-tuning. Checkpoints are saved with them merged in."""

    rank: PositiveInt = Field(16, description="Rank of the adapters")
    alpha: PositiveFloat = Field(32.0, description="Scale of the adapters: their product is multiplied by alpha / rank")


class Data(Section):
    """The data of an inverse stage that is a control, instead of the opposite side of the experiment's task.

    With the same side of the same task, the examples that the alignment stage has seen are skipped.
    """

    task: Name | None = Field(None, description="The task of the examples. null: the task of the experiment")
    side: Literal["opposite", "same", "neutral"] = Field(
        description="The side of the examples, compared with the side of the alignment stage"
    )


class FineTuning(Optimization):
    """A recipe for fine-tuning. The loss is computed on the response only."""

    algorithm: AnyAlgorithm = Field(
        default_factory=lambda: ALGORITHMS["sft"].model_validate({"kind": "sft"}),
        description="The training objective. All but sft are for inverse stages only",
        json_schema_extra={"default": {"kind": "sft"}},
    )
    lora: Lora | None = Field(None, description="Low-rank adapters. null: all weights are trained")
    data: Data | None = Field(
        None, description="Other data for an inverse stage. null: the opposite side of the experiment's task"
    )
    epochs: PositiveInt = Field(1, description="Number of passes over the examples")
    optimizer: Literal["fresh", "carried"] = Field(
        "fresh",
        description="fresh: a new optimizer; carried: an inverse stage continues with the optimizer state (moments and "
        "step counts) of the alignment stage, which needs single-process training",
    )
    weights: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="Data type of master weights and optimizer state. bf16 loses small updates and needs "
        "single-process training",
    )
    extrapolation: Candidates = Field(
        0.0,
        description="Extrapolation of the last weights away from those after the first epoch, by this factor (μ in "
        "EpiCoDe); needs 2 epochs or more. With several candidates, each run of an alignment stage takes the one with "
        "the shortest code for the validation examples of its side",
    )
    last_batch: Literal["keep", "drop"] = Field(
        "keep",
        description="The examples of an epoch that do not fill a batch. keep: a smaller last batch; drop: left out, as "
        "in the authors' code, so that every size is a checkpoint of one run",
    )
    max_length: int = Field(
        ge=2, description="Maximum length of an example in tokens. Longer examples are cut at their end"
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
            return "optimizer: carried needs single-process training"
        return "weights: bf16 needs single-process training" if self.bf16_weights else ""

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
                f"data is for sft only: {self.algorithm.kind} compares the two sides of the experiment's task"
            )
        return self

    @model_validator(mode="after")
    def _check_weights(self) -> "FineTuning":
        if self.bf16_weights and (self.lora or self.draws):
            raise ValueError(
                "weights: bf16 is for full fine-tuning on given responses: it cannot be combined with lora or ppo"
            )
        return self

    @model_validator(mode="after")
    def _check_extrapolation(self) -> "FineTuning":
        if self.extrapolates and self.epochs < 2:
            raise ValueError("extrapolation starts from the weights after the first epoch: it needs 2 epochs or more")
        return self

    @property
    def extrapolates(self) -> bool:
        """Return whether the last weights are extrapolated."""
        return self.extrapolation != 0

    @property
    def extrapolations(self) -> tuple[float, ...]:
        """Return the candidates of the factor of extrapolation."""
        return candidates(self.extrapolation)

    @property
    def whole(self) -> int:
        """The number of examples of an epoch that are trained is a multiple of this."""
        return self.batch_size if self.last_batch == "drop" else 1

    def trained(self, examples: int) -> int:
        """Return how many of ``examples`` examples a run trains on in each epoch."""
        return examples - examples % self.whole

    def updates(self, examples: int) -> int:
        """Return the number of optimizer updates of a run over ``examples`` examples, all epochs together."""
        return self.algorithm.updates_per_batch * -(-self.trained(examples) * self.epochs // self.batch_size)

    def first_epoch_updates(self, examples: int) -> int:
        """Return the number of updates after which every example has been seen once."""
        return self.model_copy(update={"epochs": 1}).updates(examples)

    def can_extrapolate(self, examples: int) -> bool:
        """Return whether the weights after the first epoch differ from the last ones, which extrapolation needs.

        Always true for recipes without extrapolation.
        """
        return not self.extrapolates or self.first_epoch_updates(examples) < self.updates(examples) or examples == 0


def chooses(settings: FineTuning, contrast: Contrast | None) -> bool:
    """Return whether the runs of an alignment stage choose among candidates, by their validation examples."""
    several = len(settings.extrapolations) > 1 or (contrast is not None and len(contrast.strengths) > 1)
    return settings.extrapolates and several
