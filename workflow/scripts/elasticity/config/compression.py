"""Settings of the measured compression rates and of the evaluation of the elasticity theorem."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from elasticity.config.base import Name, Section

Corpus = Literal["pretraining", "alignment", "perturbation", "control"]
"""The texts of pre-training, of the alignment stage and of the inverse stage, and of a control task."""


class Reading(Section):
    """The windows through which texts are read. Each window begins with the BOS token.

    Every token is predicted once, in the first window that contains it.
    """

    window: int = Field(128, ge=2, description="Tokens of a window, the BOS token included")
    stride: PositiveInt = Field(
        64, description="Tokens by which windows move on. The other tokens of a window are context only"
    )
    characters: PositiveInt = Field(
        2000, description="Number of characters that are read of each text, from its beginning"
    )

    @model_validator(mode="after")
    def _moves_on(self) -> "Reading":
        if self.stride >= self.window:
            raise ValueError(f"stride ({self.stride}) must be less than window ({self.window})")
        return self


class Compression(Reading):
    """Compression rates (bits per byte) of held-out texts under every model.

    The texts are those of the task that a model was pre-trained on, of the sides of its alignment and inverse stages,
    and of a control task.
    """

    control: Name | None = Field(
        None, description="A task that no model is trained on, whose held-out texts are measured, too"
    )
    coded: NonNegativeInt = Field(
        0,
        description="Number of texts of each corpus that an arithmetic coder compresses with each base model and "
        "restores",
    )

    @property
    def reading(self) -> Reading:
        """The windows alone, without the control and the coder."""
        return Reading(window=self.window, stride=self.stride, characters=self.characters)


class Theory(Section):
    """The elasticity theorem of Ji et al. (2025), evaluated numerically without a language model."""

    tails: Annotated[tuple[float, ...], Field(min_length=1)] = Field(
        (3.0, 5.0, 10.0), description="Exponents α of the Pareto distribution of leaf masses. Each must be above 2"
    )
    ratios: Annotated[tuple[Annotated[float, Field(gt=1, le=10_000)], ...], Field(min_length=1)] = Field(
        (2.0, 5.0, 10.0, 20.0, 50.0, 100.0), description="Values of k = |D1| / |D2|. The theorem is about large values"
    )
    perturbations: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)] = Field(
        (0.0, 0.1, 0.3, 1.0), description="Values of l = |D3| / |D2|. The theorem is about small values; 0 is the limit"
    )
    shares: Annotated[tuple[Annotated[float, Field(gt=0, le=0.5)], ...], Field(min_length=1)] = Field(
        (0.1, 1 / 3),
        description="Shares of D1 that have the distribution of D2, and as much that of D3, where D1 contains text "
        "like both",
    )
    draws: int = Field(
        200_000, ge=1000, multiple_of=100, description="Draws of the Monte Carlo cross-check, made in 100 batches"
    )

    @model_validator(mode="after")
    def _finite_variance(self) -> "Theory":
        if min(self.tails) <= 2:
            raise ValueError("tails must be above 2: with heavier ones the leaf masses have no variance")
        return self
