"""Prompts with completions in the standard form of TRL, as text or as chat messages; with and without a label."""

from collections.abc import Iterable

from elasticity.config.formats import BOTH, NEUTRAL, Row, data_format
from elasticity.data.cleaning import Raw
from elasticity.data.conversations import read_exchange, read_turns
from elasticity.data.rows import read_side


@data_format("prompt-completion", __name__, sides=NEUTRAL, has_prompts=True)
def prompt_completion(row: Row) -> Iterable[Raw]:
    """One neutral example."""
    yield Raw(*read_exchange(row, "completion", read_turns(row, "prompt")), "neutral")


@data_format("prompt-completion-label", __name__, sides=BOTH, has_prompts=True)
def prompt_completion_label(row: Row) -> Iterable[Raw]:
    """One example; a desirable completion (label true) is positive."""
    yield Raw(*read_exchange(row, "completion", read_turns(row, "prompt")), read_side(row, "label"))
