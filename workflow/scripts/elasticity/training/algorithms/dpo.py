"""Direct preference optimization."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat
from typing_extensions import override

from elasticity.config.algorithms import ALGORITHMS
from elasticity.training.preference_algorithm import PreferenceAlgorithm

if TYPE_CHECKING:
    import torch

    from elasticity.training.preference import Responses


@ALGORITHMS.register("dpo", __name__)
class Dpo(PreferenceAlgorithm):
    """Direct preference optimization (Rafailov et al. 2023, eq. 7): responses of this side over those of the other."""

    kind: Literal["dpo"]
    beta: PositiveFloat = Field(0.1, description="Strength of the KL constraint (β)")

    @override
    def losses(self, chosen: "Responses", rejected: "Responses") -> "torch.Tensor":
        """Return −log σ(β log π(y_w|x)/π_ref(y_w|x) − β log π(y_l|x)/π_ref(y_l|x)) of each pair."""
        from torch.nn import functional

        return -functional.logsigmoid(self.beta * (chosen.log_ratios - rejected.log_ratios))
