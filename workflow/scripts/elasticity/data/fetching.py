"""From a source to the table of its clean examples, with an account of every row."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from elasticity.core.errors import UserError
from elasticity.core.tables import write_table
from elasticity.data.cleaning import clean
from elasticity.data.jobs import FetchJob
from elasticity.data.schemas import EXAMPLES
from elasticity.data.sources import examples
from elasticity.data.tally import Tally


def fetch(job: FetchJob, table: Path) -> dict[str, Any]:
    """Write the examples of a source to a table of schema ``EXAMPLES``; returns what became of all rows.

    ``rows`` were read, those in ``passed_over`` gave no example, for the reasons there; all others were ``read`` as
    examples, of which ``empty`` ones, ``duplicates`` and those ``on_both_sides`` were left out and the others
    ``kept``. ``of_sides`` divides these by side, and ``too_long`` of them have prompts that are too long for any split.

    Raises ``UserError`` with these counts if a side that the study needs has no example.
    """
    tally, found = Tally(), Counter[str]()
    with tempfile.TemporaryFile(dir=table.parent) as spool:
        rows, counts = clean(examples(job.source, tally), spool)
        write_table(table, _counted(rows, job, found), EXAMPLES)
    of_sides = {side: found[side] for side in job.source.sides}
    account = {
        "rows": tally.rows,
        "passed_over": dict(tally.passed_over.most_common()),
        **counts,
        "of_sides": of_sides,
        "too_long": found["too_long"],
    }
    if empty := [side for side in job.sides if not found[side]]:
        raise UserError(
            f"no {' and no '.join(empty)} example of the source is left ({_listed(account)}): look at the labels and "
            "fields that the study names (tasks.NAME.source), and at the data"
        )
    return account


def _counted(rows: Iterable[dict[str, str]], job: FetchJob, found: Counter[str]) -> Iterator[dict[str, str]]:
    """The rows, counted by side and by whether their prompts are too long."""
    for row in rows:
        found[row["side"]] += 1
        found["too_long"] += job.longest_prompt is not None and len(row["prompt"].encode()) > job.longest_prompt
        yield row


def _listed(account: dict[str, Any]) -> str:
    """An account as words."""
    words = []
    for name, count in account.items():
        if isinstance(count, dict):
            words += [f"{name} {reason}: {each}" for reason, each in count.items()]
        else:
            words.append(f"{name}: {count}")
    return ", ".join(words)
