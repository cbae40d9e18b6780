"""VADER: snippets with the mean of twenty people's sentiment ratings (Hutto and Gilbert 2014)."""

from collections.abc import Iterable

from elasticity.config.formats import BOTH, Row, data_format
from elasticity.data.cleaning import Raw
from elasticity.data.rows import PassedOverError, read_field, read_text, wrong_value

UNDECIDED = 0.5
"""Ratings go from -4 to 4; a snippet whose rating is closer to 0 than this has no side."""


@data_format("vader", __name__, sides=BOTH, has_prompts=False, columns=("id", "rating", "text"))
def vader(row: Row) -> Iterable[Raw]:
    """One snippet on the side of its rating; those whose rating is close to 0 are passed over."""
    try:
        rating = float(read_field(row, "rating"))
    except ValueError:
        raise wrong_value("rating", row["rating"], "a number") from None
    if abs(rating) < UNDECIDED:
        raise PassedOverError(f"rating closer to 0 than {UNDECIDED}")
    yield Raw(None, read_text(row, "text"), "positive" if rating > 0 else "negative")
