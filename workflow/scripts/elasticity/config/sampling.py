"""Settings of training and sampling, and the base of every section of a study."""

import hashlib
from typing import Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from elasticity.config.base import Name, Section

EngineName = Literal["transformers", "vllm"]


class Contrast(Section):
    """EpiCoDe's contrastive decoding: logits L + strength (L - L_weak), over the tokens that are likely enough."""

    weak: Name = Field(description="A model of the study")
    strength: PositiveFloat = Field(description="EpiCoDe's lambda")
    threshold: float = Field(0.1, gt=0, le=1, description="Share of the highest probability that a token needs")


class Sampling(Section):
    """How responses are drawn. The same seed gives each prompt the same random numbers in every cell."""

    new_tokens: PositiveInt
    temperature: PositiveFloat = 1.0
    top_k: NonNegativeInt = Field(0, description="0: all tokens")
    top_p: float = Field(1.0, gt=0, le=1)
    seed: NonNegativeInt = 0
    batch_size: PositiveInt = 128
    contrast: Contrast | None = None

    def key(self, prompt_id: str) -> int:
        """What a prompt's random numbers start from: 128 bits that belong to the seed and the prompt."""
        return int.from_bytes(hashlib.sha256(f"{self.seed}:{prompt_id}".encode()).digest()[:16], "big")
