"""Objectives that prefer responses of the inverse stage to responses of the first.

One example of a run is a pair, so N counts responses of the inverse stage, as in supervised fine-tuning. The rows of a
batch are chosen, rejected, chosen, rejected, ... The reference model is the start of the inverse stage: the backend
measures it before the first update, in the very passes that training makes, so that nothing has changed at update 0.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch.nn import functional
from typing_extensions import override

from elasticity.config.training import Dpo, Kto, SimPo
from elasticity.data.examples import Batch
from elasticity.training.backends import Backend
from elasticity.training.objectives import Objective, divided, log_probabilities, measured, targets


class Preference(Objective):
    """The mean over pairs of a loss that depends on the log-probabilities of both responses."""

    group = 2

    @override
    def loss(self, backend: Backend, part: Batch, batch: Batch) -> torch.Tensor:
        losses = self.losses(part, log_probabilities(backend.logits(part), part))
        real = targets(part).view(-1, 2).sum(1) > 0  # a process that ran out of pairs has one without targets
        return torch.where(real, losses, 0).sum() * (2 / len(batch.tokens))

    @abstractmethod
    def losses(self, part: Batch, logs: torch.Tensor) -> torch.Tensor:
        """Of each pair, from the log-probability of each row; shapes (pairs,) and (rows,)."""


class SimPoObjective(Preference):
    """−log σ(β/|y_w| log π(y_w|x) − β/|y_l| log π(y_l|x) − γ)."""

    def __init__(self, settings: SimPo) -> None:
        self.settings = settings

    @override
    def losses(self, part: Batch, logs: torch.Tensor) -> torch.Tensor:
        chosen, rejected = (logs / targets(part).clamp(min=1)).view(-1, 2).unbind(1)
        return -functional.logsigmoid(self.settings.beta * (chosen - rejected) - self.settings.margin)


class _Referenced(Preference):
    """Knows the reference model's log-probability of every row, by the identity of the row."""

    compares = True

    def __init__(self) -> None:
        self.reference: dict[str, float] = {}

    @override
    def measure_start(self, backend: Backend, update: int, batch: Batch, micro_batch: int) -> None:
        for part in divided(backend, batch, micro_batch, 2):
            logs = measured(backend, part).tolist()
            if part.targets:
                self.reference.update(zip(part.identities, logs, strict=True))

    def log_ratios(self, part: Batch, logs: torch.Tensor) -> torch.Tensor:
        """Log π(y|x) / π_ref(y|x) of each row; shape (rows,)."""
        reference = [self.reference.get(name, 0.0) for name in part.identities]  # 0 for rows without targets
        return logs - torch.tensor(reference, device=logs.device)


class DpoObjective(_Referenced):
    """−log σ(β log π(y_w|x)/π_ref(y_w|x) − β log π(y_l|x)/π_ref(y_l|x))."""

    def __init__(self, settings: Dpo) -> None:
        super().__init__()
        self.settings = settings

    @override
    def losses(self, part: Batch, logs: torch.Tensor) -> torch.Tensor:
        chosen, rejected = self.log_ratios(part, logs).view(-1, 2).unbind(1)
        return -functional.logsigmoid(self.settings.beta * (chosen - rejected))


class KtoObjective(_Referenced):
    """λ_D (1 − σ(β(r − z0))) for desirable and λ_U (1 − σ(β(z0 − r))) for undesirable responses, r the log-ratio.

    The two responses of a pair need no common prompt. z0 estimates KL(π‖π_ref) on the whole batch: the mean log-ratio of
    prompts with responses of others, at least zero, without a gradient. ``mismatched`` holds such a batch an update.
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
            logs = measured(backend, part)
            total += self.log_ratios(part, logs).sum().item() if part.targets else 0.0
        self.divergence = max(0.0, backend.total(total) / len(mismatched.tokens))
        return super().parts(backend, update, batch, micro_batch)

    @override
    def losses(self, part: Batch, logs: torch.Tensor) -> torch.Tensor:
        gains, losses = (self.settings.beta * (self.log_ratios(part, logs) - self.divergence)).view(-1, 2).unbind(1)
        desirable = self.settings.desirable * torch.sigmoid(-gains)
        undesirable = self.settings.undesirable * torch.sigmoid(losses)
        return (desirable + undesirable) / 2
