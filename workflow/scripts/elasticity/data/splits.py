"""Division of examples into splits, such that no prompt or text is in two of them.

Splits are filled one after the other, in the pseudo-random order of the examples' digests. Examples with the same
prompt have the same topic (``cleaning.topic``), and a topic belongs to one split only. The exceptions are the splits
that serve only for fine-tuning: they share topics, because a preference algorithm may need both sides of a prompt.
"""

from collections.abc import Sequence

from elasticity.config.base import Side
from elasticity.config.splits import PROMPTS, Take
from elasticity.core.errors import UserError
from elasticity.data.cleaning import topic

Rows = list[dict[str, str]]


def take(rows: Rows, takes: Sequence[Take]) -> Rows:
    """The rows of the last of these splits, sorted by id, after the splits before it are filled.

    Raises ``UserError`` if the data hold too few examples for one of the splits.
    """
    in_order = sorted(((topic(row), row) for row in rows), key=lambda pair: (pair[0], pair[1]["id"]))
    owners: dict[str, str] = {}
    taken: Rows = []
    for split in takes:
        taken = []
        for side in sorted(split.shares):
            of_side = [pair for pair in in_order if pair[1]["side"] == side]
            taken += _fill(split, side, of_side, owners)
    return sorted(taken, key=lambda row: row["id"])


def _fill(split: Take, side: Side, rows: list[tuple[str, dict[str, str]]], owners: dict[str, str]) -> Rows:
    """Take a split's share of one side.

    ``rows`` are pairs of a topic and a row, in the order in which they are taken. ``owners`` maps each topic to the
    family of splits that has it; topics that are taken are added. Raises ``UserError`` if there are too few rows.
    """
    share = split.shares[side]
    taken: Rows = []
    for about, row in rows:
        if len(taken) == share:
            break
        if _is_free(about, row, split, owners):
            owners[about] = split.family
            taken.append(row)
    if len(taken) < share:
        raise UserError(
            f"the split {split.split} needs {share} {side} examples, but the data hold {len(taken)} for it: "
            f"{len(rows)} without duplicates, with about {len({about for about, _ in rows})} different prompts or "
            "texts, and no prompt or text is in two splits. Make this split or the splits before it smaller"
            + (", or raise prompts.max_tokens" if split.longest_prompt else "")
        )
    return taken


def _is_free(about: str, row: dict[str, str], split: Take, owners: dict[str, str]) -> bool:
    """Whether a split may take a row with this topic."""
    if not split.takes_prompt(row["prompt"]):
        return False
    owner = owners.get(about)
    return owner is None or (owner == split.family and split.split not in PROMPTS)
