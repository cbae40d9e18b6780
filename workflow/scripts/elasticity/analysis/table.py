"""A table of a study: what it is made of, what the report says of it, and how tables are written and read.

The package ``elasticity.analysis.tables`` has one module for each table, which defines ``TABLE``.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from elasticity.config.base import Section
from elasticity.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from elasticity.runtime.command import Command

PACKAGE = "elasticity.analysis.tables"


Of = Literal["rebound", "resistance", "experiment", "task", "study"]
"""What a table is made for: each rebound experiment, each resistance experiment, each experiment of either kind, each
task, or the whole study."""


@dataclass(frozen=True)
class Shown:
    """What the report says of one output of a table.

    ``label`` may contain wildcards in braces. ``caption`` is reStructuredText and a jinja template, which may quote the
    wildcards. ``beside`` names outputs with more details, such as one row per seed, that are linked beside it.
    """

    label: str
    caption: str
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """How a table is made, and where the report shows it.

    ``inputs`` and ``optional`` are the names of options of the script ``table.py`` that take one or more, or any number
    of, input files. ``outputs`` maps the names of its output options to paths in the folder of tables, with the
    wildcard ``{experiment}`` or ``{task}``; the main output is ``table``. ``shown`` says which outputs are in the
    report, in the chapter ``chapter`` and below the heading ``subject``. ``make`` reads the inputs and writes the
    outputs.

    The modules of tables are imported when a study is planned, so they import pandas, scipy and the like in functions.
    """

    job: type[Section]
    of: Of
    outputs: Mapping[str, str]
    make: "Callable[[Command[Any]], None]"
    shown: Mapping[str, Shown]
    chapter: str
    subject: str = "{experiment}"
    inputs: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all required options except that of the main output."""
        return (*self.inputs, *(name for name in self.outputs if name != "table"))

    def output_paths(self, results: str, **wildcards: str) -> dict[str, str]:
        """The path of each output; wildcards that are not given stay in braces."""
        known = {"experiment": "{experiment}", "task": "{task}"} | wildcards
        return {name: f"{results}/tables/{path.format(**known)}" for name, path in self.outputs.items()}


@cache
def table_names() -> tuple[str, ...]:
    """The names of all tables, which are the names of their modules, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(PACKAGE).__path__)))


def table_module(name: str) -> str:
    """The dotted name of the module of a table: its code is part of the digest of the jobs that make the table."""
    return f"{PACKAGE}.{name}"


@cache
def find_table(name: str) -> Table:
    """The table with this name.

    Raises ``UserError`` with the names of all tables if there is none.
    """
    if name not in table_names():
        raise UserError(f"there is no table {name!r}; available: {', '.join(table_names())}")
    table: Table = importlib.import_module(table_module(name)).TABLE
    return table


FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""The beginning of a text that a spreadsheet would execute, also after it has been escaped."""


def write_csv(table: "pd.DataFrame", path: Path) -> None:
    """Write a table as CSV with six significant digits; equal values give equal bytes.

    A text that a spreadsheet would execute as a formula gets an apostrophe before it, which ``read_csv`` takes away.
    """
    _texts_changed(table, lambda text: f"'{text}" if FORMULA.match(text) else text).to_csv(
        path, index=False, float_format="%.6g", lineterminator="\n"
    )


def read_csv(path: Path) -> "pd.DataFrame":
    """Read a table that ``write_csv`` wrote; a base model called ``NA`` or ``1.0`` keeps its name."""
    import pandas as pd

    table = pd.read_csv(path, dtype={"base": str}, keep_default_na=False, na_values=[""], lineterminator="\n")
    return _texts_changed(table, lambda text: text[1:] if text.startswith("'") and FORMULA.match(text) else text)


def _texts_changed(table: "pd.DataFrame", change: Callable[[str], str]) -> "pd.DataFrame":
    """Return the table with each of its texts changed."""
    changed = table.copy(deep=False)
    for name, column in table.items():
        if column.dtype.kind == "O":
            changed[name] = column.map(lambda value: change(value) if isinstance(value, str) else value)
    return changed
