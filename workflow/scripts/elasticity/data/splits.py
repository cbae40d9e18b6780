"""Splits filled one after the other, in an order by chance, without a prompt or text in two of them.

Examples of one prompt have one topic (see ``cleaning``), and a split keeps the topics that it takes from to itself. The
splits that only serve to train on, one a side, share theirs: an algorithm may need both sides of a prompt.
"""

from collections.abc import Sequence

from elasticity.config.base import Side
from elasticity.config.splits import PROMPTS, Take
from elasticity.core.errors import UserError
from elasticity.data.cleaning import topic

Rows = list[dict[str, str]]


def take(rows: Rows, takes: Sequence[Take]) -> Rows:
    """The rows of the last of these splits, in the order of their digests.

    Raises ``UserError`` if the data hold too few for one of them.
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
    """A split's share of one side. ``rows`` have their topics before them; ``owners`` of topics are added to."""
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
            f"the split {split.split} needs {share} {side} examples, but the data hold {len(taken)} for it: {len(rows)} "
            f"without duplicates, about {len({about for about, _ in rows})} different prompts or texts, and no prompt "
            "or text is in two splits: make this split or the ones before it smaller"
            + ("; or raise prompts.max_tokens" if split.longest_prompt else "")
        )
    return taken


def _is_free(about: str, row: dict[str, str], split: Take, owners: dict[str, str]) -> bool:
    if not split.takes_prompt(row["prompt"]):
        return False
    owner = owners.get(about)
    return owner is None or (owner == split.family and split.split not in PROMPTS)
