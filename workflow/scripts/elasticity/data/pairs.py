"""Pairs of examples of opposite sides, for preference algorithms."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from elasticity.data.examples import shuffled

Row = Mapping[str, Any]
"""A row of schema ``EXAMPLES``."""


Pair = tuple[Row, Row]
"""A chosen and a rejected row, or a desirable and an undesirable one."""


def same_prompt(chosen: Sequence[Row], rejected: Sequence[Row], seed: int) -> list[Pair]:
    """As many pairs of responses to the same prompt as possible, in an order given by the seed.

    Each row is in at most one pair. Plain texts all have the empty prompt, so they are paired in the shuffled order.
    Prefixes of the list are nested subsets.
    """
    waiting: dict[str, list[Row]] = defaultdict(list)
    for row in reversed(_shuffled(rejected, seed)):
        waiting[row["prompt"]].append(row)
    return [(row, waiting[row["prompt"]].pop()) for row in _shuffled(chosen, seed) if waiting[row["prompt"]]]


def any_prompt(desirable: Sequence[Row], undesirable: Sequence[Row], seed: int) -> list[Pair]:
    """Pairs of rows of the two sides, each side in the shuffled order, whatever their prompts."""
    return list(zip(_shuffled(desirable, seed), _shuffled(undesirable, seed), strict=False))


def _shuffled(rows: Sequence[Row], seed: int) -> list[Row]:
    return [rows[i] for i in shuffled([row["id"] for row in rows], seed)]
