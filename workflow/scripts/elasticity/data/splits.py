"""Division of examples into splits, such that no prompt or text is in two of them.

Splits are filled one after the other, in the pseudo-random order of the examples' digests. Examples with the same
prompt have the same topic (``cleaning.topic``), and a topic belongs to one split only. The exceptions are the splits
that serve only for fine-tuning: they share topics, because a preference algorithm may need both sides of a prompt.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from elasticity.config.base import Side
from elasticity.config.splits import PROMPTS, Take
from elasticity.core.errors import UserError
from elasticity.data.cleaning import topic

Rows = list[dict[str, str]]


class Outline(NamedTuple):
    """What decides which split an example may be in, and its place in the table."""

    topic: str
    id: str
    side: str
    prompt_bytes: int
    place: int


def outlined(rows: Iterable[dict[str, str]]) -> list[Outline]:
    """The outlines of rows of schema ``EXAMPLES``, in the order in which splits take them.

    The rows are read once, and their texts are not kept: memory holds about 300 bytes of each.
    """
    return sorted(
        Outline(topic(row), row["id"], sys.intern(row["side"]), len(row["prompt"].encode()), place)
        for place, row in enumerate(rows)
    )


def take(outlines: Sequence[Outline], takes: Sequence[Take]) -> list[int]:
    """The places of the rows of the last of these splits, ascending, after the splits before it are filled.

    Raises ``UserError`` if the data hold too few examples for one of the splits.
    """
    owners: dict[str, str] = {}
    taken: list[int] = []
    for split in takes:
        taken = []
        for side in sorted(split.shares):
            taken += _fill(split, side, [outline for outline in outlines if outline.side == side], owners)
    return sorted(taken)


def _fill(split: Take, side: Side, outlines: Sequence[Outline], owners: dict[str, str]) -> list[int]:
    """Take a split's share of one side; returns the places of its rows.

    ``owners`` maps each topic to the family of splits that has it; topics that are taken are added. Raises
    ``UserError`` if there are too few rows.
    """
    share = split.shares[side]
    taken: list[int] = []
    for outline in outlines:
        if len(taken) == share:
            break
        if _is_free(outline, split, owners):
            owners[outline.topic] = split.family
            taken.append(outline.place)
    if len(taken) < share:
        raise UserError(
            f"the split {split.split} needs {share} {side} examples, but the data hold {len(taken)} for it: "
            f"{len(outlines)} without duplicates, with about {len({it.topic for it in outlines})} different prompts "
            "or texts, and no prompt or text is in two splits. Make this split or the splits before it smaller"
            + (", or raise prompts.max_tokens" if split.longest_prompt else "")
        )
    return taken


def _is_free(outline: Outline, split: Take, owners: dict[str, str]) -> bool:
    """Whether a split may take an example."""
    if not split.takes_prompt(outline.prompt_bytes):
        return False
    owner = owners.get(outline.topic)
    return owner is None or (owner == split.family and split.split not in PROMPTS)
