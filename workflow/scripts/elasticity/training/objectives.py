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
    def parts(self, backend: Backend, update: int, batch: Batch, micro_batch: int) -> list[Batch]:
        if backend.processes == 1 and backend.device.type == "cpu":
            return by_length(batch, micro_batch)
        return super().parts(backend, update, batch, micro_batch)  # a GPU is faster with large parts

    @override
    def loss(self, backend: Backend, part: Batch, batch: Batch) -> torch.Tensor:
        return backend.nats(part).sum() / batch.targets


def divided(backend: Backend, batch: Batch, micro_batch: int, group: int = 1) -> list[Batch]:
    """Return the parts of a batch that belong to this process, on its device; see ``micro_batches``."""
    parts = micro_batches(batch, micro_batch, backend.rank, backend.processes, group)
    return [part.to(backend.device) for part in parts]


PART_TOKENS = 96
"""What a further part costs, as a number of tokens that take as long: reading weights, adding to their gradients."""

WIDTH_STEP = 16
"""Parts are as wide as a multiple of so many tokens, or as their batch, so that few shapes occur: torch compiles matrix
products in bf16 for each shape, in about a millisecond, which is as long as a product of a small model takes."""


def by_length(batch: Batch, micro_batch: int) -> list[Batch]:
    """Return the parts of a batch, of at most ``micro_batch`` rows, that take the least time on a CPU.

    Rows of similar length are put together, so that little padding is computed. Of all divisions of the rows, sorted by
    length, the one is taken with the fewest tokens, padding included, plus ``PART_TOKENS`` for each part.
    """
    lengths, order = batch.attention.sum(1).sort(stable=True)
    steps = (-(-length // WIDTH_STEP) * WIDTH_STEP for length in lengths.tolist())
    widths, rows = [min(width, batch.tokens.shape[1]) for width in steps], len(order)
    if widths[0] == widths[-1] and rows <= micro_batch:
        return [batch]
    costs, starts = [0], [0]  # of the best division of the first rows, and where its last part begins
    for end in range(1, rows + 1):
        options = range(max(0, end - micro_batch), end)
        cost, start = min((costs[i] + (end - i) * widths[end - 1] + PART_TOKENS, i) for i in options)
        costs.append(cost)
        starts.append(start)
    parts = []
    while rows:
        first, width = starts[rows], widths[rows - 1]
        chosen = order[first:rows]
        names = tuple(batch.identities[i] for i in chosen.tolist()) if batch.identities else ()
        tokens, attention, labels = (each[chosen, :width] for each in (batch.tokens, batch.attention, batch.labels))
        parts.append(Batch(tokens, attention, labels, names))
        rows = first
    return parts


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
