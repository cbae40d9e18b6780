"""Supervised fine-tuning."""

from typing import TYPE_CHECKING, Literal

from typing_extensions import override

from elasticity.config.algorithms import ALGORITHMS, Algorithm

if TYPE_CHECKING:
    from elasticity.training.datasets import TrainingData, TrainingInputs


@ALGORITHMS.register("sft", __name__)
class Sft(Algorithm):
    """Supervised fine-tuning: the likelihood of the responses."""

    kind: Literal["sft"] = "sft"

    @override
    def training_data(self, inputs: "TrainingInputs") -> "TrainingData":
        from elasticity.training.datasets import responses

        wanted = inputs.job.responses_of_slice
        parts = [[row for row in table if row.get("slice") == wanted] for table in inputs.examples]
        return responses(inputs.job, inputs.tokenizer, parts)
