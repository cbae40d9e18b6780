"""Conversations as lists of messages: ``messages`` with role and content, ShareGPT's ``conversations``.

A field ``system`` beside them is their system prompt, unless they have one of their own.
"""

from collections.abc import Iterable

from elasticity.config.formats import NEUTRAL, Row, data_format
from elasticity.data.cleaning import Raw
from elasticity.data.conversations import Turn, exchange, read_turns
from elasticity.data.rows import read_text


@data_format("messages", __name__, sides=NEUTRAL, has_prompts=True)
def messages(row: Row) -> Iterable[Raw]:
    """One neutral example: the last answer, with all turns before it as its prompt."""
    yield Raw(*exchange(_turns(row, "messages")), "neutral")


@data_format("sharegpt", __name__, sides=NEUTRAL, has_prompts=True)
def sharegpt(row: Row) -> Iterable[Raw]:
    """One neutral example: the last answer, with all turns before it as its prompt."""
    yield Raw(*exchange(_turns(row, "conversations")), "neutral")


def _turns(row: Row, name: str) -> list[Turn]:
    """The turns in a field, after the system prompt beside it."""
    turns = read_turns(row, name)
    system = read_text(row, "system").strip() if row.get("system") is not None else ""
    return [Turn("system", system), *turns] if system and [it.role for it in turns[:1]] != ["system"] else turns
