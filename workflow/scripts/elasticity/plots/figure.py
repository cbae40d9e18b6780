"""The figures of a study by name: what each is drawn from, and what the report says of it.

Each module of this package draws one figure or a few that share code, and registers them with ``figure``. The modules
are imported when a study is planned, so they import pandas, matplotlib and the like in functions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from elasticity.config.base import Section
from elasticity.core.registry import Registry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")
"""The formats in which every figure is drawn."""


Of = Literal["rebound", "resistance", "experiment", "study"]
"""What a figure is drawn for: each rebound experiment, each resistance experiment and base model, each experiment of
either kind, or the whole study."""


class FigureJob(Section):
    """The facts of a study that a figure needs beside its tables.

    ``bases`` are the base models of the experiment in order. Of a rebound experiment, ``sides`` says what the examples
    of the alignment stage (P) and of the inverse stage (N) are called, and ``score`` is the label of the scores. Of a
    resistance experiment, ``base`` is the base model to draw.
    """

    experiment: str | None = None
    bases: tuple[str, ...] = ()
    sides: tuple[str, str] | None = None
    score: str = ""
    base: str | None = None

    @property
    def named_sides(self) -> tuple[str, str]:
        """``sides`` of a rebound experiment, which always has them."""
        assert self.sides is not None, "a figure of a rebound experiment needs its sides"
        return self.sides

    @property
    def named_base(self) -> str:
        """``base`` of a resistance experiment, which always has one."""
        assert self.base is not None, "a figure of a resistance experiment needs a base model"
        return self.base


Draw = Callable[..., "Figure"]
"""A function that draws a figure from its tables, in their order, and a ``FigureJob``. A CSV file is given as a data
frame, a JSON file as the object in it."""


@dataclass(frozen=True)
class FigureEntry:
    """A figure: its tables, where the report shows it, and the function that draws it.

    ``tables`` are paths in the folder of tables without ``-{experiment}.csv``, such as ``seeds/resistance``; without
    ``.csv`` for a figure of the whole study; a path with a suffix is taken as it is. ``subject`` is the heading below
    which the report shows the figure; it, ``label`` and ``caption`` may contain wildcards. ``caption`` is
    reStructuredText and a jinja template, which may also quote numbers that the plan gives to the report. Experiments
    with fewer than ``least_bases`` base models do not get the figure.
    """

    name: str
    of: Of
    tables: tuple[str, ...]
    chapter: str
    subject: str
    label: str
    caption: str
    draw: Draw
    least_bases: int = 1

    def table_paths(self, results: str, experiment: str | None = "{experiment}") -> list[str]:
        """The paths of the tables that the figure is drawn from; without ``experiment`` if it is of the study."""
        suffix = ".csv" if self.of == "study" else f"-{experiment}.csv"
        names = (name if PurePosixPath(name).suffix else f"{name}{suffix}" for name in self.tables)
        return [f"{results}/tables/{name}" for name in names]

    def figure_paths(self, results: str, experiment: str | None = "{experiment}", base: str = "{base}") -> list[str]:
        """The paths of the figure in all formats; ``base`` counts for a figure of a resistance experiment only."""
        stem = self.name if self.of == "study" else f"{self.name}-{experiment}"
        stem = f"{stem}/{base}" if self.of == "resistance" else stem
        return [f"{results}/figures/{stem}.{suffix}" for suffix in FORMATS]


FIGURES: Registry[FigureEntry] = Registry("figure", "elasticity.plots")
"""All figures, by the names that their files begin with."""


def figure(
    name: str,
    *,
    of: Of,
    tables: tuple[str, ...],
    chapter: str,
    label: str,
    caption: str,
    subject: str = "{experiment}",
    least_bases: int = 1,
) -> Callable[[Draw], Draw]:
    """Decorator that registers the function that draws a figure; see ``FigureEntry`` for the parameters.

    A figure of a study with several experiments is drawn for those experiments of its kind that have all its tables and
    at least ``least_bases`` base models.
    """

    def add(draw: Draw) -> Draw:
        entry = FigureEntry(name, of, tables, chapter, subject, label, caption, draw, least_bases)
        FIGURES.register(name, draw.__module__)(entry)
        return draw

    return add
