"""What training minimises: the code length of the targets here, preferences and rewards in modules of their own."""

from abc import ABC, abstractmethod

import torch
from torch.nn import functional
from typing_extensions import override

from elasticity.data.examples import IGNORED, Batch, micro_batches
from elasticity.training.backends import Backend


class Objective(ABC):
    """A function of the weights and of one batch; the parts of a batch, of all processes, add up to it."""

    group = 1
    """Rows of a batch that belong together and are never in different parts."""

    passes = 1
    """Successive updates on the same batch that a run is not interrupted in, because they rest on the first."""

    compares = False
    """Whether weights are compared with those at the start of the run."""

    def measure_start(self, backend: Backend, update: int, batch: Batch, micro_batch: int) -> None:
        """Called for every batch before the first update, in every attempt, if ``compares``.

        The backend has the weights of the start; what is measured goes through the model as it will in training. An
        objective that compares nothing has nothing to measure.
        """
        return  # not abstract: most objectives leave it

    def parts(self, backend: Backend, update: int, batch: Batch, micro_batch: int) -> list[Batch]:
        """What this process computes of a batch: parts of about ``micro_batch`` rows, as many as other processes'."""
        return divided(backend, batch, micro_batch, self.group)

    @abstractmethod
    def loss(self, backend: Backend, part: Batch, batch: Batch) -> torch.Tensor:
        """What one part adds to the objective of the whole batch."""


class CodeLength(Objective):
    """Supervised fine-tuning and pre-training: mean nats per target token, all tokens of a batch alike."""

    @override
    def loss(self, backend: Backend, part: Batch, batch: Batch) -> torch.Tensor:
        return token_nats(backend.logits(part), part, "sum") / batch.targets


def divided(backend: Backend, batch: Batch, micro_batch: int, group: int = 1) -> list[Batch]:
    """The parts of a batch that are this process's, on its device; see ``micro_batches``."""
    parts = micro_batches(batch, micro_batch, backend.rank, backend.processes, group)
    return [part.to(backend.device) for part in parts]


def token_nats(logits: torch.Tensor, batch: Batch, reduction: str) -> torch.Tensor:
    """−log p of the target tokens: their sum, or each (shape: rows * (tokens - 1), zero elsewhere)."""
    return functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), batch.labels[:, 1:].flatten(), ignore_index=IGNORED, reduction=reduction
    )


def log_probabilities(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Log p of the targets of each row, in nats; shape (rows,). Zero for a row without targets."""
    return -token_nats(logits, batch, "none").view(len(batch.tokens), -1).sum(1)


def measured(backend: Backend, part: Batch) -> torch.Tensor:
    """``log_probabilities`` without a gradient."""
    with torch.no_grad():
        return log_probabilities(backend.logits(part), part)


def targets(batch: Batch) -> torch.Tensor:
    """The number of target tokens in each row; shape (rows,)."""
    return (batch.labels[:, 1:] != IGNORED).sum(1)
