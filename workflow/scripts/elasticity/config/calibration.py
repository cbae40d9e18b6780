"""Settings of the simulated experiments by which the tests of a study are calibrated."""

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from elasticity.config.base import Section


class Calibration(Section):
    """Simulated experiments that measure the error rates of the tests behind the verdicts.

    They have the sizes, seeds and numbers of prompts of the study's own experiments. Scores are shares of prompts, from
    0 to 1. Leans follow the same curves, scaled to ``lean_gain`` bits per byte.
    """

    draws: int = Field(
        500, ge=50, description="Number of simulated experiments of each kind. More give more precise error rates"
    )
    base: float = Field(0.5, gt=0, lt=1, description="Score of the base model")
    gain: float = Field(0.25, gt=0, lt=1, description="How far the alignment stage with the largest P raises the score")
    fall: float = Field(0.15, gt=0, lt=1, description="How far below the base model's score a long inverse stage ends")
    rebound: float = Field(
        0.15, gt=0, lt=1, description="How much lower than that the largest P ends where a rebound is simulated"
    )
    seed_offset: NonNegativeFloat | None = Field(
        None,
        description="Standard deviation between seeds of the part of a run's score that all P share. null: estimated, "
        "see `noise`",
    )
    run_offset: NonNegativeFloat | None = Field(
        None, description="Standard deviation of a run's own part of its score. null: estimated, see `noise`"
    )
    lean_gain: PositiveFloat = Field(
        0.012, description="How far the alignment stage with the largest P raises the lean, in bits per byte"
    )
    lean_seed_offset: NonNegativeFloat | None = Field(
        None, description="As `seed_offset`, of the lean in bits per byte. null: estimated, see `noise`"
    )
    lean_run_offset: NonNegativeFloat | None = Field(
        None, description="As `run_offset`, of the lean in bits per byte. null: estimated, see `noise`"
    )
    run_rate: NonNegativeFloat = Field(
        0.3, description="Standard deviation of the logarithm of a run's rate between seeds"
    )
    prompt_spread: float = Field(
        0.5, ge=0, le=1, description="How much prompts differ in their mean score. 0: not at all"
    )
    nats: PositiveFloat = Field(
        0.1,
        description="Gap in KL and in entropy between forward and inverse, in nats per token, where one is simulated",
    )
    run_nats: PositiveFloat | None = Field(
        None,
        description="Standard deviation between seeds of a code length, in nats per token. null: estimated, see "
        "`noise`",
    )

    @model_validator(mode="after")
    def _are_shares(self) -> "Calibration":
        if self.base + self.gain > 1 or self.base - self.fall - self.rebound < 0:
            raise ValueError("scores are shares: base + gain must be at most 1, and base - fall - rebound at least 0")
        return self
