"""Kahneman-Tversky optimization (Ethayarajh et al. 2024, eq. 8)."""

from collections.abc import Sequence

import torch
from typing_extensions import override

from elasticity.data import pairs
from elasticity.data.examples import Batch
from elasticity.training.algorithms.kto import Kto
from elasticity.training.backends import Backend
from elasticity.training.datasets import TrainingData, TrainingInputs
from elasticity.training.objectives import divided, measured
from elasticity.training.preference import PairObjective, Responses, batches_of_pairs, rows_of_pairs


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

    Raises ``UserError`` if a side has fewer examples than wanted.
    """
    rows = rows_of_pairs(inputs, pairs.any_prompt, "examples of each side")
    size = 2 * inputs.job.settings.batch_size
    others = [pairs.mismatched(rows[first : first + size]) for first in range(0, len(rows), size)]
    mismatched = batches_of_pairs(inputs, [row for batch in others for row in batch])
    return TrainingData(batches_of_pairs(inputs, rows), KtoObjective(settings, mismatched))
