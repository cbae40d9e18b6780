"""Objectives on pairs of responses: of the side to train on (chosen) and of the other side (rejected).

An example of a run is a pair, so N counts the chosen responses, as in supervised fine-tuning. The rows of a batch are
chosen, rejected, chosen, rejected, ... The reference model is the model at the start of the stage. The backend measures
it before the first update, in the same passes as in training, so that all log-ratios are exactly 0 at update 0.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from typing_extensions import override

from elasticity.data.examples import Batch, Example, batched, epochs, training_examples
from elasticity.data.pairs import Pair
from elasticity.training.backends import Backend
from elasticity.training.datasets import Row, TrainingInputs, first_of
from elasticity.training.objectives import Objective, divided, log_probabilities, measured, targets
from elasticity.training.preference_algorithm import PreferenceAlgorithm


@dataclass(frozen=True)
class Responses:
    """The responses of one side in a batch of pairs; all tensors have the shape (pairs,)."""

    log_probabilities: torch.Tensor
    """Log π(y|x): the sum over the tokens of a response, in nats."""

    tokens: torch.Tensor
    """The number of target tokens of each response, at least 1."""

    reference: torch.Tensor
    """Log π_ref(y|x); 0 if the algorithm has no reference model."""

    @property
    def log_ratios(self) -> torch.Tensor:
        """Log π(y|x) / π_ref(y|x)."""
        return self.log_probabilities - self.reference


class PairObjective(Objective):
    """The mean over pairs of a loss that depends on the log-probabilities of both responses."""

    group = 2
    compares = True

    def __init__(self) -> None:
        self.reference: dict[str, float] = {}
        """Log-probability of a row under the reference model, by the identity of the row."""

    @override
    def measure_start(self, backend: Backend, update: int, batch: Batch, micro_batch: int) -> None:
        for part in divided(backend, batch, micro_batch, 2):
            logs = measured(backend, part).tolist()
            if part.targets:
                self.reference.update(zip(part.identities, logs, strict=True))

    @override
    def loss(self, backend: Backend, part: Batch, batch: Batch) -> torch.Tensor:
        losses = self.losses(*self.sides(part, log_probabilities(backend, part)))
        real = targets(part).view(-1, 2).sum(1) > 0  # a process that ran out of pairs has one without targets
        return torch.where(real, losses, 0).sum() * (2 / len(batch.tokens))

    def reference_logs(self, part: Batch) -> torch.Tensor:
        """Log π_ref(y|x) of each row, shape (rows,); 0 for rows that were not measured."""
        return torch.tensor([self.reference.get(name, 0.0) for name in part.identities], device=part.tokens.device)

    def sides(self, part: Batch, logs: torch.Tensor) -> tuple[Responses, Responses]:
        """Return the chosen and the rejected responses of a part whose rows have these log-probabilities."""
        values = (logs, targets(part).clamp(min=1), self.reference_logs(part))
        chosen, rejected = zip(*(value.view(-1, 2).unbind(1) for value in values), strict=True)
        return Responses(*chosen), Responses(*rejected)

    @abstractmethod
    def losses(self, chosen: Responses, rejected: Responses) -> torch.Tensor:
        """Return the loss of each pair, shape (pairs,)."""


class PreferenceObjective(PairObjective):
    """The mean of ``PreferenceAlgorithm.losses`` over the pairs of a batch."""

    def __init__(self, algorithm: PreferenceAlgorithm) -> None:
        super().__init__()
        self.algorithm = algorithm
        self.compares = algorithm.has_reference

    @override
    def losses(self, chosen: Responses, rejected: Responses) -> torch.Tensor:
        return self.algorithm.losses(chosen, rejected)


def rows_of_pairs(
    inputs: TrainingInputs, paired: Callable[[Sequence[Row], Sequence[Row], int], list[Pair]], what: str
) -> list[Row]:
    """Return the rows chosen, rejected, chosen, rejected, ... of all epochs.

    ``paired`` makes pairs of the rows of both sides (schema ``EXAMPLES``) in the order of a seed; ``what`` names them
    in the message. Raises ``UserError`` if there are fewer pairs than wanted.
    """
    job = inputs.job
    chosen, rejected = inputs.examples
    pairs = first_of(paired(chosen, rejected, job.seed), job, what)
    repeated = epochs(pairs, [row["id"] for row, _ in pairs], job.settings.epochs, job.seed, job.settings.whole)
    return [row for pair in repeated for row in pair]


def examples_of_pairs(inputs: TrainingInputs, rows: Sequence[Row]) -> list[Example]:
    """Return the training examples of rows of pairs, which are named by the rows."""
    job = inputs.job
    examples = training_examples(rows, inputs.tokenizer, job.template, job.settings.max_length)
    return [replace(example, identity=row["id"]) for example, row in zip(examples, rows, strict=True)]


def batches_of_pairs(inputs: TrainingInputs, examples: Sequence[Example]) -> list[Batch]:
    """Return batches of ``batch_size`` pairs each, given the examples of the pairs one after another."""
    return batched(examples, 2 * inputs.job.settings.batch_size, inputs.tokenizer.pad_token_id)
