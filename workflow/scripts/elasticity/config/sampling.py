"""Settings for sampling responses from models."""

import hashlib
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from elasticity.config.base import Candidates, Section, Seed, candidates

EngineName = Literal["transformers", "vllm"]
"""The library that samples responses."""


class Contrast(Section):
    """Contrastive decoding as in EpiCoDe: sampling from the logits L + strength · (L − L_weak) of likely tokens.

    It is used for the models of runs whose alignment stage is extrapolated. The weak model is the run's own model at
    the end of that stage, before extrapolation. All other models are sampled alone.
    """

    strength: Candidates = Field(
        description="Factor of the difference of logits (λ in EpiCoDe), or candidates, of which each run takes the one "
        "with the shortest code for the validation examples of its side"
    )
    threshold: float = Field(
        0.1, gt=0, le=1, description="Tokens whose probability is below this share of the highest one are excluded"
    )

    @property
    def strengths(self) -> tuple[float, ...]:
        """Return the candidates of the strength."""
        return candidates(self.strength)


WEAK_FOLDER = "weak"
"""Folder of the weak model in a checkpoint of an alignment stage: the model before extrapolation."""


CHOICE = "choice.json"
"""File of a checkpoint with the candidates that its run chose: ``extrapolation`` (μ) and ``strength`` (λ)."""


class Sampling(Section):
    """How responses are sampled.

    A prompt has the same random numbers in every cell of a training seed, and others in those of another one.
    """

    new_tokens: PositiveInt = Field(description="Maximum length of a response in tokens")
    temperature: PositiveFloat = Field(1.0, description="Temperature of the softmax")
    top_k: NonNegativeInt = Field(0, description="Sample from this many likeliest tokens. 0: from all")
    top_p: float = Field(1.0, gt=0, le=1, description="Sample from the likeliest tokens with this total probability")
    seed: Seed = Field(0, description="Seed of the random numbers")
    batch_size: PositiveInt = Field(128, description="Number of prompts that are continued at once")
    contrast: Contrast | None = Field(None, description="Contrastive decoding. null: the model is sampled alone")

    def key(self, prompt_id: str) -> int:
        """Return the 128-bit key of the random number generator of a prompt, which depends on the seed, too."""
        return int.from_bytes(hashlib.sha256(f"{self.seed}:{prompt_id}".encode()).digest()[:16], "big")

    def of_training_seed(self, seed: int) -> "Sampling":
        """Return the settings for the models of a training seed, whose random numbers are their own.

        With common numbers for all seeds their means would share an error that no test over seeds sees.
        """
        digest = hashlib.sha256(f"{self.seed}:{seed}".encode()).digest()
        return self.model_copy(update={"seed": int.from_bytes(digest[:7], "big")})

    def of_draw(self, draw: int) -> "Sampling":
        """Return the settings of a further draw of all responses: its seed is larger by ``draw``."""
        return self.model_copy(update={"seed": self.seed + draw})


class ResponseSampling(Sampling):
    """How the responses that are scored are sampled.

    A prompt has the same random numbers in every cell of a training seed, and others in those of another one.
    """

    base_draws: PositiveInt = Field(
        8,
        description="Number of responses of a base model to each prompt; the number of training seeds if that is "
        "larger. They are dealt to the training seeds, so that comparisons with the base model carry its noise. Draw d "
        "has the seed `seed` + d",
    )

    def of_cells(self) -> Sampling:
        """Return the settings without those of base models, which nothing else depends on."""
        return Sampling.model_validate(self.model_dump(exclude={"base_draws"}))
