"""Plain text, cut into passages of at most ``source.characters`` characters."""

from collections.abc import Iterable

from elasticity.config.formats import NEUTRAL, Row, data_format
from elasticity.data.cleaning import Raw
from elasticity.data.rows import read_text


@data_format("passages", __name__, sides=NEUTRAL, has_prompts=False, passages=True)
def passages(row: Row) -> Iterable[Raw]:
    """One passage as a neutral text."""
    yield Raw(None, read_text(row, "text"), "neutral")
