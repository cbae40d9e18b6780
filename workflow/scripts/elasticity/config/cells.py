"""What each kind of job is told: exactly the values that it uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so nothing belongs here that does not change the result.
"""

from typing_extensions import override

from elasticity.config.base import Opposed, Section

TuningPath = tuple[int, int]
"""(k, l): slice k is tuned on the responses of slice l. Forward if k < l, inverse if k > l."""


class Cell(Section):
    """The cells of a rebound experiment that share a run: all but the inverse stage's size, which names the checkpoint."""

    alignment_side: Opposed
    alignment_recipe: str
    inverse_recipe: str
    seed: int
    alignment_size: int

    def row(self, base: str, size: int) -> dict[str, str | int]:
        """The first columns of a table of cells; ``size`` is that of the checkpoint."""
        return {"base": base, **self.model_dump(), "inverse_size": size}


class RealignmentCell(Cell):
    """The cells of a realignment stage that share a run: all but the realignment stage's size."""

    inverse_size: int
    realignment_recipe: str

    @override
    def row(self, base: str, size: int) -> dict[str, str | int]:
        return {"base": base, **self.model_dump(), "realignment_size": size}
