"""How compression rates are measured, and over what the elasticity theorem is evaluated."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from elasticity.config.base import Name, Section

Corpus = Literal["pretraining", "alignment", "perturbation", "control"]
"""What a model was pre-trained, aligned and perturbed on, and what no model was trained on."""


class Reading(Section):
    """How a text is read: through windows that each begin with the BOS token.

    A token is predicted once, in the first window that holds it.
    """

    window: int = Field(128, ge=2, description="Tokens that a model sees at once, that of the beginning included")
    stride: PositiveInt = Field(64, description="Tokens that a window moves on; the others are context only")
    characters: PositiveInt = Field(2000, description="Of each text its first so many characters are read")

    @model_validator(mode="after")
    def _moves_on(self) -> "Reading":
        if self.stride >= self.window:
            raise ValueError(f"stride ({self.stride}) must be less than window ({self.window})")
        return self


class Compression(Reading):
    """Bits per byte of held-out texts: of what a model was pre-trained, aligned and perturbed on, and of a control."""

    control: Name | None = Field(None, description="The task whose held-out texts no model is trained on")
    coded: NonNegativeInt = Field(
        0, description="Texts of each corpus that an arithmetic coder packs with each base model, and restores"
    )

    @property
    def reading(self) -> Reading:
        """How texts are read, alone."""
        return Reading(window=self.window, stride=self.stride, characters=self.characters)


class Theory(Section):
    """The elasticity theorem (paper C), evaluated without a model."""

    tails: Annotated[tuple[float, ...], Field(min_length=1)] = Field(
        (3.0, 5.0, 10.0), description="Exponents α of the Pareto distribution of leaf masses, above 2"
    )
    ratios: Annotated[tuple[Annotated[float, Field(gt=1, le=10_000)], ...], Field(min_length=1)] = Field(
        (2.0, 5.0, 10.0, 20.0, 50.0, 100.0), description="k = |D1| / |D2|; the theorem is about large ones"
    )
    perturbations: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)] = Field(
        (0.0, 0.1, 0.3, 1.0), description="l = |D3| / |D2|; the theorem is about small ones, 0 is the limit"
    )
    draws: int = Field(200_000, ge=1000, multiple_of=100, description="Of the Monte Carlo cross-check, in 100 batches")

    @model_validator(mode="after")
    def _finite_variance(self) -> "Theory":
        if min(self.tails) <= 2:
            raise ValueError("tails must be above 2: with heavier ones the leaf masses have no variance")
        return self
