"""Preferences in the standard forms of TRL: a chosen and a rejected response, with or without a prompt beside them.

They are text or chat messages. Without a prompt, each is a whole conversation: messages, or a transcript such as
those of hh-rlhf.
"""

from collections.abc import Iterable

from elasticity.config.formats import BOTH, Row, data_format
from elasticity.data.cleaning import Raw
from elasticity.data.conversations import read_exchange, read_turns


@data_format("preference", __name__, sides=BOTH, has_prompts=True)
def preference(row: Row) -> Iterable[Raw]:
    """Two examples: the chosen response is positive, the rejected one negative."""
    prompt = read_turns(row, "prompt") if row.get("prompt") is not None else ()
    yield Raw(*read_exchange(row, "chosen", prompt), "positive")
    yield Raw(*read_exchange(row, "rejected", prompt), "negative")
