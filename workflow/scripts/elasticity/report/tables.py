"""Tables for reading: constant columns are stated once, intervals stand beside their values, and numbers are short."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticity.analysis.table import read_csv
from elasticity.core.errors import UserError

DIGITS = 4


LONG_TEXT = 30
"""The number of characters from which on a text gets a wide column."""


@dataclass(frozen=True)
class Cell:
    """A value, and its interval in small print below it."""

    text: str
    interval: str = ""

    @property
    def is_long(self) -> bool:
        """Whether the value is a sentence rather than a name or number."""
        return len(self.text) >= LONG_TEXT


@dataclass(frozen=True)
class ShownTable:
    """A table for reading; ``constants`` are the columns in which all rows are equal, with their value."""

    columns: list[str]
    rows: list[list[Cell]]
    constants: list[tuple[str, str]]


def table(path: Path) -> ShownTable:
    """The table in a CSV file, or of the entries of a JSON object; raises ``UserError`` for other files."""
    if path.suffix not in READERS:
        raise UserError(f"report: {path} cannot be shown as a table; a file must end in {' or '.join(READERS)}")
    return READERS[path.suffix](path)


def csv_table(path: Path) -> ShownTable:
    """The table in a CSV file; columns ``...low`` and ``...high`` become the interval of the column before them."""
    table = read_csv(path)
    names = [str(name) for name in table]
    alike = [name for name in names if len(table) > 1 and table[name].nunique(dropna=False) == 1]
    alike = [name for name in alike if not name.endswith(("low", "high")) and f"{name}_low" not in names]
    constants = [(name, number(table[name].iloc[0])) for name in alike]
    columns = list(_columns([name for name in names if name not in alike]))
    rows = [
        [Cell(number(row[name]), _interval(row, bounds)) for name, bounds in columns]
        for row in table.to_dict(orient="records")
    ]
    return ShownTable([name for name, _ in columns], rows, constants)


def record_table(path: Path) -> ShownTable:
    """The entries of a JSON object; an entry of an object in it is named by its path."""
    entries = [[Cell(name), Cell(number(value))] for name, value in _entries(json.loads(path.read_text()), "")]
    return ShownTable(["entry", "value"], entries, [])


def number(value: Any, digits: int = DIGITS) -> str:
    """A value in a few digits; empty if it is missing."""
    if isinstance(value, bool) or not isinstance(value, float):
        return "" if value is None else str(value)
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    whole = value.is_integer() and abs(value) < 1e9
    return (f"{value:.0f}" if whole else f"{value:.{digits}g}").replace("-", "−")


def _columns(names: list[str]) -> Iterator[tuple[str, tuple[str, str] | None]]:
    """Each column of the table for reading, with the names of the columns of its bounds."""
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        bounds = None
        if len(waiting) > 1 and waiting[0].endswith("low") and waiting[1].endswith("high"):
            bounds = waiting.pop(0), waiting.pop(0)
        yield name, bounds


def _interval(row: dict[Any, Any], bounds: tuple[str, str] | None) -> str:
    if bounds is None:
        return ""
    low, high = (number(row[name]) for name in bounds)
    return f"{low} to {high}" if low and high else ""


def _entries(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Paths and values of all entries; objects in a list are numbered from 1."""
    if isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        value = {str(place): inner for place, inner in enumerate(value, start=1)}
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _entries(inner, f"{name} {key}".strip())
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value))
    else:
        yield name, value


READERS = {".csv": csv_table, ".json": record_table}
