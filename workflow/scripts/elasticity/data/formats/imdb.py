"""IMDb: film reviews with a label, 1 for positive and 0 for negative."""

from collections.abc import Iterable

from elasticity.config.formats import BOTH, Row, data_format
from elasticity.config.labels import label_key
from elasticity.data.cleaning import Raw
from elasticity.data.rows import other_label, read_field, read_side, read_text

UNLABELLED = "-1"
"""The label that the data set on the hub gives to reviews without one."""


@data_format("imdb", __name__, sides=BOTH, has_prompts=False)
def imdb(row: Row) -> Iterable[Raw]:
    """One review; those without a label are passed over."""
    if label_key(label := read_field(row, "label")) == UNLABELLED:
        raise other_label("label", label)
    yield Raw(None, read_text(row, "text"), read_side(row, "label"))
