"""Conversations as lists of messages: ``messages`` with role and content, ShareGPT's ``conversations``."""

from collections.abc import Iterable

from elasticity.config.formats import NEUTRAL, Row, data_format
from elasticity.data.cleaning import Raw
from elasticity.data.conversations import read_exchange


@data_format("messages", __name__, sides=NEUTRAL, has_prompts=True)
def messages(row: Row) -> Iterable[Raw]:
    """One neutral example: the last answer, with all turns before it as its prompt."""
    yield Raw(*read_exchange(row, "messages"), "neutral")


@data_format("sharegpt", __name__, sides=NEUTRAL, has_prompts=True)
def sharegpt(row: Row) -> Iterable[Raw]:
    """One neutral example: the last answer, with all turns before it as its prompt."""
    yield Raw(*read_exchange(row, "conversations"), "neutral")
