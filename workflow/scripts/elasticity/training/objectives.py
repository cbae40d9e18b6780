"""Objectives of training: the base class, and the code length of the targets.

The objectives of preferences and rewards are in ``preference``, ``kto`` and ``ppo``.
"""

from abc import ABC, abstractmethod

import torch
from typing_extensions import override

from elasticity.data.examples import IGNORED, Batch, micro_batches
from elasticity.training.backends import Backend


class Objective(ABC):
    """A function of the weights and of one batch: the sum over the parts of the batch on all processes."""

    group = 1
    """The number of successive rows that belong together: they are never divided between parts."""

    passes = 1
    """The number of successive updates on the same batch, between which no state is saved."""

    compares = False
    """Whether the objective compares the model with that at the start of the run."""

    def measure_start(self, backend: Backend, update: int, batch: Batch, micro_batch: int) -> None:
        """Measure a batch under the model at the start of the run.

        Called for every batch before the first update, in every attempt, if ``compares`` is true. The backend holds the
        weights of the start, and the passes are those of training.
        """
        return  # not abstract: objectives that compare nothing need not override it

    def parts(self, backend: Backend, update: int, batch: Batch, micro_batch: int) -> list[Batch]:
        """Return this process's parts of a batch, of about ``micro_batch`` rows; every process has equally many."""
        return divided(backend, batch, micro_batch, self.group)

    @abstractmethod
    def loss(self, backend: Backend, part: Batch, batch: Batch) -> torch.Tensor:
        """Return what one part contributes to the objective of the whole batch."""


class CodeLength(Objective):
    """Supervised fine-tuning and pre-training: mean nats per target token, every token of a batch weighted equally."""

    @override
    def loss(self, backend: Backend, part: Batch, batch: Batch) -> torch.Tensor:
        return backend.nats(part).sum() / batch.targets


def divided(backend: Backend, batch: Batch, micro_batch: int, group: int = 1) -> list[Batch]:
    """Return the parts of a batch that belong to this process, on its device; see ``micro_batches``."""
    parts = micro_batches(batch, micro_batch, backend.rank, backend.processes, group)
    return [part.to(backend.device) for part in parts]


def log_probabilities(backend: Backend, part: Batch) -> torch.Tensor:
    """Return log p of the targets of each row in nats, shape (rows,); 0 for a row without targets."""
    return -backend.nats(part).sum(1)


def measured(backend: Backend, part: Batch) -> torch.Tensor:
    """Return the ``log_probabilities`` of a part without a gradient."""
    with torch.no_grad():
        return log_probabilities(backend, part)


def targets(batch: Batch) -> torch.Tensor:
    """Return the number of target tokens in each row, shape (rows,)."""
    return (batch.labels[:, 1:] != IGNORED).sum(1)
