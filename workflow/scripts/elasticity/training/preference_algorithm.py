"""Base class of the algorithms whose loss compares the two responses of a pair.

Importing this module does not import torch: reading a study needs the options of the algorithms only.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from elasticity.config.algorithms import Algorithm

if TYPE_CHECKING:
    import torch

    from elasticity.training.datasets import TrainingData, TrainingInputs
    from elasticity.training.preference import Responses


class PreferenceAlgorithm(Algorithm):
    """Prefers responses of one side to responses of the other side to the same prompt.

    A subclass declares ``kind``, its options, and ``losses``.
    """

    sequences_per_example = 2
    compares_sides = True

    has_reference: ClassVar[bool] = True
    """Whether ``losses`` use log-ratios to the reference model, which is the model at the start of the stage."""

    @property
    @override
    def measured_sequences(self) -> int:
        """Both responses of a pair by the reference model."""
        return self.sequences_per_example if self.has_reference else 0

    @abstractmethod
    def losses(self, chosen: "Responses", rejected: "Responses") -> "torch.Tensor":
        """Return the loss of each pair, shape (pairs,). Training minimises its mean over the pairs of a batch."""

    @override
    def training_data(self, inputs: "TrainingInputs") -> "TrainingData":
        """Return pairs of examples with the same prompt, ``N`` of them for a size N.

        Raises ``UserError`` if there are fewer pairs than wanted.
        """
        from elasticity.data.pairs import same_prompt
        from elasticity.training import preference
        from elasticity.training.datasets import TrainingData

        rows = preference.rows_of_pairs(inputs, same_prompt, "pairs of responses to the same prompt")
        batches = preference.batches_of_pairs(inputs, preference.examples_of_pairs(inputs, rows))
        return TrainingData(batches, preference.PreferenceObjective(self))
