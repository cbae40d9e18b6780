"""BeaverTails: questions with responses that people labelled as safe or unsafe, and its evaluation set."""

from collections.abc import Iterable

from elasticity.config.formats import BOTH, NEUTRAL, Row, data_format
from elasticity.data.cleaning import Raw
from elasticity.data.rows import read_side, read_text


@data_format("beavertails", __name__, sides=BOTH, has_prompts=True)
def beavertails(row: Row) -> Iterable[Raw]:
    """One example; a safe response is positive."""
    yield Raw(read_text(row, "prompt"), read_text(row, "response"), read_side(row, "is_safe"))


@data_format("beavertails-evaluation", __name__, sides=NEUTRAL, has_prompts=True, has_responses=False)
def beavertails_evaluation(row: Row) -> Iterable[Raw]:
    """One neutral question without a response."""
    yield Raw(read_text(row, "prompt"), None, "neutral")
