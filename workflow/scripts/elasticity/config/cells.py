"""Cells of rebound and resistance experiments: the identity of one measured model."""

from typing_extensions import override

from elasticity.config.base import Opposed, Section

TuningPath = tuple[int, int]
"""``(k, l)``: slice k is tuned on the responses of slice l. Forward if k < l, inverse if k > l."""


class Cell(Section):
    """The cells of a rebound experiment that one run of the inverse stage gives.

    They differ in N, the size of the inverse stage, which is the checkpoint of the run.
    """

    alignment_side: Opposed
    alignment_recipe: str
    inverse_recipe: str
    seed: int
    alignment_size: int

    def row(self, base: str, size: int) -> dict[str, str | int]:
        """Return the columns that identify a cell in tables; ``size`` is the size of the checkpoint."""
        return {"base": base, **self.model_dump(), "inverse_size": size}


class RealignmentCell(Cell):
    """The cells that one run of the realignment stage gives. They differ in the size of that stage."""

    inverse_size: int
    realignment_recipe: str

    @override
    def row(self, base: str, size: int) -> dict[str, str | int]:
        return {"base": base, **self.model_dump(), "realignment_size": size}
