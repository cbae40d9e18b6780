"""Proximal policy optimization."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat, PositiveInt
from typing_extensions import override

from elasticity.config.algorithms import ALGORITHMS, Algorithm
from elasticity.core.errors import UserError

if TYPE_CHECKING:
    from elasticity.training.datasets import TrainingData, TrainingInputs


@ALGORITHMS.register("ppo", __name__)
class Ppo(Algorithm):
    """Proximal policy optimization (Schulman et al. 2017, eq. 7) of the score, less a penalty on the KL."""

    kind: Literal["ppo"]
    beta: PositiveFloat = Field(0.05, description="Weight of the KL penalty")
    clip: float = Field(0.2, gt=0, lt=1, description="Of the probability ratio of each token")
    passes: PositiveInt = Field(4, description="Optimizer updates on each batch of responses")
    new_tokens: PositiveInt = Field(32, description="Of each response that is drawn")

    @property
    @override
    def drawn_tokens(self) -> int:
        return self.new_tokens

    @property
    @override
    def updates_per_batch(self) -> int:
        return self.passes

    @property
    @override
    def measured_sequences(self) -> int:
        """Each response by the model that drew it and by the model at the start of the stage."""
        return 2

    @override
    def check_batch_size(self, batch_size: int) -> None:
        if batch_size < 2:
            raise ValueError(
                "ppo compares the responses of a batch with their mean: it needs a batch_size of 2 or more"
            )

    @override
    def training_data(self, inputs: "TrainingInputs") -> "TrainingData":
        from elasticity.evaluation.scoring import load_score_model
        from elasticity.training.ppo import rewarded_prompts

        reward = inputs.job.reward
        if reward is None:
            raise UserError("ppo draws responses and has them scored: the task needs a score_model")
        return rewarded_prompts(self, inputs, load_score_model(reward.score_model, inputs.score_model_files))
