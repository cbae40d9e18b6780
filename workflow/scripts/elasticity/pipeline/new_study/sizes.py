"""The sizes of a new study: as large as the data allow, and as an hour of this machine does."""

from collections.abc import Iterator
from dataclasses import dataclass

from elasticity.config.data import Prompts, Splits
from elasticity.config.splits import layout
from elasticity.core.errors import UserError
from elasticity.data.splits import Rows, outlined, take

BATCH = 8
"""Examples of an update; all sizes are multiples of it, so that they are checkpoints of one run."""


HELD_OUT = 24
"""Held-out texts of each corpus on which the base model's bits per byte are measured."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of a study: examples of the stages, texts of each side for the lean of a seed, and the seeds."""

    alignment: tuple[int, int]
    inverse: tuple[int, ...]
    lean_texts: int
    seeds: int

    @property
    def planted(self) -> int:
        """The examples of the inverse stage for each one, after the largest P, that plant a crossing."""
        return self.inverse[-1] // self.inverse[1]

    @property
    def splits(self) -> Splits:
        """The splits that the sizes need."""
        lean, (positive, negative) = self.seeds * self.lean_texts, (self.alignment[-1], self.inverse[-1])
        return Splits(held_out=HELD_OUT, lean=lean, positive=positive, negative=negative)


GRIDS = (
    ((40, 640), (0, 24, 96, 384), 100),
    ((24, 320), (0, 16, 64, 192), 60),
    ((16, 160), (0, 8, 32, 96), 40),
    ((8, 80), (0, 8, 24, 48), 24),
    ((8, 40), (0, 8, 24), 12),
)
"""Sizes P, sizes N, and texts for the lean; the first are those of the default study."""


def candidates() -> Iterator[Sizes]:
    """Yield all sizes, from large to small; five seeds of a smaller grid before three of a larger one."""
    for seeds in (5, 3):
        for alignment, inverse, lean_texts in GRIDS:
            yield Sizes(alignment, inverse, lean_texts, seeds)


def possible(rows: Rows, prompts: Prompts | None) -> list[Sizes]:
    """The sizes for which the data hold enough examples, from large to small.

    ``rows`` have schema ``EXAMPLES``. Raises ``UserError`` if there are too few for any.
    """
    found, outlines = [], outlined(rows)
    for sizes in candidates():
        try:
            take(outlines, list(layout(sizes.splits, prompts).values()))
        except UserError as error:
            reason = error
        else:
            found.append(sizes)
    if not found:
        raise UserError(f"the data hold too few examples, even for the smallest study: {reason}")
    return found
