"""Kahneman-Tversky optimization (Ethayarajh et al. 2024, eq. 8)."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from typing_extensions import override

from elasticity.data import pairs
from elasticity.data.examples import Batch, Example
from elasticity.training.algorithms.kto import Kto
from elasticity.training.backends import Backend
from elasticity.training.datasets import TrainingData, TrainingInputs
from elasticity.training.objectives import divided, measured
from elasticity.training.preference import PairObjective, Responses, batches_of_pairs, examples_of_pairs, rows_of_pairs


class KtoObjective(PairObjective):
    """λ_D (1 − σ(β(r − z0))) for desirable and λ_U (1 − σ(β(z0 − r))) for undesirable responses, r the log-ratio.

    The two responses of a pair need no common prompt. z0 estimates KL(π‖π_ref) on the whole batch: it is the mean
    log-ratio of prompts with responses to other prompts, at least zero, without a gradient. ``mismatched`` holds a
    batch of these for each update.
    """

    def __init__(self, settings: Kto, mismatched: Sequence[Batch]) -> None:
        super().__init__()
        self.settings = settings
        self.mismatched = mismatched
        self.divergence = 0.0

    @override
    def measure_start(self, backend: Backend, update: int, batch: Batch, micro_batch: int) -> None:
        super().measure_start(backend, update, batch, micro_batch)
        super().measure_start(backend, update, self.mismatched[update], micro_batch)

    @override
    def parts(self, backend: Backend, update: int, batch: Batch, micro_batch: int) -> list[Batch]:
        mismatched, total = self.mismatched[update], 0.0
        for part in divided(backend, mismatched, micro_batch, 2):
            log_ratios = measured(backend, part) - self.reference_logs(part)
            total += log_ratios.sum().item() if part.targets else 0.0
        self.divergence = max(0.0, backend.total(total) / len(mismatched.tokens))
        return super().parts(backend, update, batch, micro_batch)

    @override
    def losses(self, chosen: Responses, rejected: Responses) -> torch.Tensor:
        beta = self.settings.beta
        desirable = self.settings.desirable * torch.sigmoid(-beta * (chosen.log_ratios - self.divergence))
        undesirable = self.settings.undesirable * torch.sigmoid(beta * (rejected.log_ratios - self.divergence))
        return (desirable + undesirable) / 2


def training_data(settings: Kto, inputs: TrainingInputs) -> TrainingData:
    """Return pairs of a desirable and an undesirable example, whatever their prompts, ``N`` of them for a size N.

    The first ``prompt_tokens`` tokens of a plain text are its prompt, so that a continuation can be mismatched.
    Raises ``UserError`` if a side has fewer examples than wanted.
    """
    rows, tuning = rows_of_pairs(inputs, pairs.any_prompt, "examples of each side"), inputs.job.settings
    examples = [
        example if row["prompt"] else with_prompt(example, settings.prompt_tokens)
        for example, row in zip(examples_of_pairs(inputs, rows), rows, strict=True)
    ]
    size = 2 * tuning.batch_size
    of_batches = (mismatched(examples[i : i + size], tuning.max_length) for i in range(0, len(examples), size))
    wrong = [example for of_batch in of_batches for example in of_batch]
    return TrainingData(batches_of_pairs(inputs, examples), KtoObjective(settings, batches_of_pairs(inputs, wrong)))


def with_prompt(example: Example, tokens: int) -> Example:
    """Return an example whose first ``tokens`` targets are context instead; at least one target is left."""
    targets = len(example.tokens) - example.response_start
    return replace(example, response_start=example.response_start + min(tokens, targets - 1))


def mismatched(examples: Sequence[Example], max_length: int) -> list[Example]:
    """Return each example's context with the targets of the one before it; the first gets those of the last.

    Examples are cut to ``max_length`` tokens.
    """
    found = []
    for one, other in zip(examples, [examples[-1], *examples[:-1]], strict=True):
        tokens = [*one.tokens[: one.response_start], *other.tokens[other.response_start :]]
        found.append(Example(tokens[:max_length], one.response_start, f"{one.identity}|{other.identity}"))
    return found
