"""What each kind of job is told: exactly the values that it uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so nothing belongs here that does not change the result.
"""

from typing_extensions import override

from elasticity.config.base import Opposed, Section

TuningPath = tuple[int, int]
"""(k, l): slice k is tuned on the answers of slice l. Forward if k < l, inverse if k > l."""


class Cell(Section):
    """The cells of a rebound experiment that share a ladder: all but the second side's size, which names the rung."""

    first_side: Opposed
    first_recipe: str
    second_recipe: str
    seed: int
    first_size: int

    def row(self, base: str, size: int) -> dict[str, str | int]:
        """The first columns of a table of cells; ``size`` is that of the rung."""
        return {"base": base, **self.model_dump(), "second_size": size}


class ThirdCell(Cell):
    """The cells of a third stage that share a ladder: all but the third stage's size."""

    second_size: int
    third_recipe: str

    @override
    def row(self, base: str, size: int) -> dict[str, str | int]:
        return {"base": base, **self.model_dump(), "third_size": size}
