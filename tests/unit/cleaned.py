"""Cleaned examples as a list."""

import tempfile
from collections.abc import Iterable

from elasticity.data import cleaning
from elasticity.data.cleaning import Raw


def clean(examples: Iterable[Raw]) -> tuple[list[dict[str, str]], dict[str, int]]:
    """The rows of ``cleaning.clean``, and its counts."""
    with tempfile.TemporaryFile() as spool:
        rows, counts = cleaning.clean(examples, spool)
        return list(rows), counts
