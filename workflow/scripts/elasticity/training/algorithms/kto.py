"""Kahneman-Tversky optimization."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat, PositiveInt
from typing_extensions import override

from elasticity.config.algorithms import ALGORITHMS, Algorithm

if TYPE_CHECKING:
    from elasticity.training.datasets import TrainingData, TrainingInputs


@ALGORITHMS.register("kto", __name__)
class Kto(Algorithm):
    """Kahneman-Tversky optimization (Ethayarajh et al. 2024, eq. 8): this side is desirable, the other is not."""

    sequences_per_example = 2
    compares_sides = True

    kind: Literal["kto"]
    beta: PositiveFloat = Field(0.1, description="Strength of the KL constraint (β)")
    desirable: PositiveFloat = Field(1.0, description="Weight of desirable examples")
    undesirable: PositiveFloat = Field(1.0, description="Weight of undesirable examples")
    prompt_tokens: PositiveInt = Field(8, description="Of a plain text: its first tokens, which are its prompt")

    @property
    @override
    def measured_sequences(self) -> int:
        """Both responses by the reference model, and a mismatched response beside each by both models."""
        return 6

    @override
    def training_data(self, inputs: "TrainingInputs") -> "TrainingData":
        from elasticity.training.kto import training_data

        return training_data(self, inputs)
