"""Settings of training and sampling, and the base of every section of a study."""

import hashlib
import itertools
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
)

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$")]
Side = Literal["positive", "negative"]
Precision = Literal["auto", "bf16", "fp32"]
EngineName = Literal["transformers", "vllm"]

Stretches = dict[str, tuple[int, int]]
"""For each side, first (included) and last (excluded) place of a pool in the order of digests."""


def _ascending(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(a >= b for a, b in itertools.pairwise(values)):
        raise ValueError("must be in ascending order, without repeats")
    return values


Ascending = AfterValidator(_ascending)
Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1), Ascending]
SizesFromZero = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1), Ascending]
Seeds = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1), Ascending]


class Section(BaseModel):
    """A part of the study: unknown keys and wrong types are errors, values never change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


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


class FineTuning(Optimization):
    """Supervised fine-tuning of all weights, with the loss on the answer only."""

    epochs: PositiveInt = 1

    def updates(self, examples: int) -> int:
        """Optimizer updates that so many examples make, all epochs together; the last batch may be smaller."""
        return -(-examples * self.epochs // self.batch_size)

    max_length: int = Field(ge=2, description="Tokens; the rest of an example is cut off")


class Sampling(Section):
    """How answers are drawn. The same seed gives each prompt the same random numbers in every cell."""

    new_tokens: PositiveInt
    temperature: PositiveFloat = 1.0
    top_k: NonNegativeInt = Field(0, description="0: all tokens")
    top_p: float = Field(1.0, gt=0, le=1)
    seed: NonNegativeInt = 0
    batch_size: PositiveInt = 128

    def key(self, prompt_id: str) -> int:
        """What a prompt's random numbers start from: 128 bits that belong to the seed and the prompt."""
        return int.from_bytes(hashlib.sha256(f"{self.seed}:{prompt_id}".encode()).digest()[:16], "big")


def opposite(side: Side) -> Side:
    """The side that the second stage trains on."""
    return "negative" if side == "positive" else "positive"
