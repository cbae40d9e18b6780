"""Pairs of examples, one of each side: what preferences are made of. Deterministic, without torch."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from elasticity.data.examples import shuffled

Row = Mapping[str, Any]
"""Of schema ``EXAMPLES``."""


Pair = tuple[Row, Row]
"""Chosen and rejected, or desirable and undesirable."""


def same_prompt(chosen: Sequence[Row], rejected: Sequence[Row], seed: int) -> list[Pair]:
    """As many pairs of responses to the same prompt as there are, each row in one at most, in an order given by the seed.

    Plain texts have the same prompt, none, and are paired in the order of the shuffle. Prefixes are nested subsets.
    """
    waiting: dict[str, list[Row]] = defaultdict(list)
    for row in reversed(_shuffled(rejected, seed)):
        waiting[row["prompt"]].append(row)
    return [(row, waiting[row["prompt"]].pop()) for row in _shuffled(chosen, seed) if waiting[row["prompt"]]]


def any_prompt(desirable: Sequence[Row], undesirable: Sequence[Row], seed: int) -> list[Pair]:
    """The rows of both sides in the order of the shuffle, side by side."""
    return list(zip(_shuffled(desirable, seed), _shuffled(undesirable, seed), strict=False))


def mismatched(rows: Sequence[Row]) -> list[Row]:
    """Each row's prompt with the response of the row before it; the first with the last one's."""
    responses = [rows[-1], *rows[:-1]]
    return [
        {"id": f"{row['id']}|{other['id']}", "prompt": row["prompt"], "response": other["response"]}
        for row, other in zip(rows, responses, strict=True)
    ]


def _shuffled(rows: Sequence[Row], seed: int) -> list[Row]:
    return [rows[i] for i in shuffled([row["id"] for row in rows], seed)]
