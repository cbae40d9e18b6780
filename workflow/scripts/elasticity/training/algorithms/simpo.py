"""Simple preference optimization."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat
from typing_extensions import override

from elasticity.config.algorithms import ALGORITHMS
from elasticity.training.preference_algorithm import PreferenceAlgorithm

if TYPE_CHECKING:
    import torch

    from elasticity.training.preference import Responses


@ALGORITHMS.register("simpo", __name__)
class SimPo(PreferenceAlgorithm):
    """Simple preference optimization (Meng et al. 2024, eq. 6): mean log-probabilities, no reference model."""

    has_reference = False

    kind: Literal["simpo"]
    beta: PositiveFloat = Field(2.0, description="Scale of the reward (β)")
    margin: float = Field(1.0, ge=0, description="Gamma, the target margin of the reward")

    @override
    def losses(self, chosen: "Responses", rejected: "Responses") -> "torch.Tensor":
        """Return −log σ(β/|y_w| log π(y_w|x) − β/|y_l| log π(y_l|x) − γ) of each pair."""
        from torch.nn import functional

        difference = chosen.log_probabilities / chosen.tokens - rejected.log_probabilities / rejected.tokens
        return -functional.logsigmoid(self.beta * difference - self.margin)
