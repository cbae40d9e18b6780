"""Examples of rows whose fields and labels the study describes (``source.fields``)."""

from collections.abc import Iterable

from elasticity.config.base import Side
from elasticity.config.data import Fields
from elasticity.config.formats import Row
from elasticity.core.errors import UserError
from elasticity.data.cleaning import Raw
from elasticity.data.rows import read_field, read_text

LISTED = 10
"""Labels that an error message lists."""


class Described:
    """Reads rows by the fields that a study names. Rows with a label of neither side are skipped."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.sides: dict[str, Side] = {str(fields.positive): "positive", str(fields.negative): "negative"}
        self.found: set[str] = set()

    def __call__(self, row: Row) -> Iterable[Raw]:
        """The example in a row, or none if its label is that of neither side."""
        side: Side | None = "neutral"
        if self.fields.label is not None:
            label = str(read_field(row, self.fields.label))
            self.found.add(label)
            side = self.sides.get(label)
        prompt, response = (name and read_text(row, name) for name in (self.fields.prompt, self.fields.response))
        return [Raw(prompt, response, side)] if side else []

    def check(self) -> None:
        """Raise ``UserError`` if the rows have labels, and the label of one of the sides did not occur."""
        if self.fields.label is not None and (missing := self.sides.keys() - self.found):
            raise UserError(
                f"no row has {self.fields.label} {', '.join(sorted(missing))}; found: "
                f"{', '.join(sorted(self.found)[:LISTED]) or 'no rows'}. Name the labels in the study "
                "(source.fields.positive, source.fields.negative)"
            )
