"""Cleaned examples as a list, and the examples of a split."""

import tempfile
from collections.abc import Iterable, Sequence

from elasticity.config.splits import Take
from elasticity.data import cleaning, splits
from elasticity.data.cleaning import Raw


def clean(examples: Iterable[Raw]) -> tuple[list[dict[str, str]], dict[str, int]]:
    """The rows of ``cleaning.clean``, and its counts."""
    with tempfile.TemporaryFile() as spool:
        rows, counts = cleaning.clean(examples, spool)
        return list(rows), counts


def take(rows: splits.Rows, takes: Sequence[Take]) -> splits.Rows:
    """The rows of the last of these splits, sorted by id."""
    found = [rows[place] for place in splits.take(splits.outlined(rows), takes)]
    return sorted(found, key=lambda row: row["id"])
