"""What simulated experiments are like, on which the tests of a study are tried."""

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from elasticity.config.base import Section


class Calibration(Section):
    """Simulated experiments with the sizes, seeds and prompts of the study's own. Scores are shares of prompts."""

    draws: int = Field(500, ge=50, description="Simulated experiments of each kind; more give smaller errors")
    base: float = Field(0.5, gt=0, lt=1, description="Score of the base model")
    gain: float = Field(0.25, gt=0, lt=1, description="What the largest P adds to it")
    fall: float = Field(0.15, gt=0, lt=1, description="How far below it many examples of the inverse stage lead")
    rebound: float = Field(0.15, gt=0, lt=1, description="How much further below the largest P ends, with a rebound")
    run_offset: NonNegativeFloat = Field(0.03, description="Standard deviation between seeds, of a run's level")
    run_rate: NonNegativeFloat = Field(0.3, description="Standard deviation between seeds, of the log of a run's rate")
    prompt_spread: float = Field(0.5, ge=0, le=1, description="How differently prompts are has_responses; 0: all alike")
    nats: PositiveFloat = Field(0.1, description="KL and entropy gap between directions, where there is one")
    run_nats: PositiveFloat = Field(0.05, description="Standard deviation of a code length per token between seeds")

    @model_validator(mode="after")
    def _are_shares(self) -> "Calibration":
        if self.base + self.gain > 1 or self.base - self.fall - self.rebound < 0:
            raise ValueError("scores are shares: base + gain must be at most 1, and base - fall - rebound at least 0")
        return self
