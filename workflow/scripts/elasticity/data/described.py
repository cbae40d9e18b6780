"""Examples of rows whose fields and labels the study describes (``source.fields``)."""

from collections import Counter
from collections.abc import Iterable

from elasticity.config.base import Side
from elasticity.config.data import Fields
from elasticity.config.formats import Row
from elasticity.config.labels import keys
from elasticity.core.errors import UserError
from elasticity.data.cleaning import Raw
from elasticity.data.labels import label_keys, shown
from elasticity.data.rows import other_label, read_field, read_text

LISTED = 10
"""Labels that an error message lists."""


class Described:
    """Reads rows by the fields that a study names. Rows with a label of neither side are passed over."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.sides: dict[str, Side] = {
            **dict.fromkeys(keys(fields.positive), "positive"),
            **dict.fromkeys(keys(fields.negative), "negative"),
        }
        self.found: Counter[str] = Counter()

    def __call__(self, row: Row) -> Iterable[Raw]:
        """The example in a row.

        Raises ``PassedOverError`` if its label is that of neither side, or a text is null.
        """
        side: Side | None = "neutral"
        if self.fields.label is not None:
            label = read_field(row, self.fields.label)
            names = [key for key in label_keys(label) if key in self.sides]
            self.found.update(names)
            if not names:
                self.found[shown(label)] += 1
                raise other_label(self.fields.label, label)
            side = self.sides[names[0]]
        prompt, response = (name and read_text(row, name) for name in (self.fields.prompt, self.fields.response))
        return [Raw(prompt, response, side)]

    def check(self) -> None:
        """Raise ``UserError`` if the rows have labels, and one that the study names did not occur."""
        if self.fields.label is not None and (missing := self.sides.keys() - self.found.keys()):
            found = [f"{label} ({count} rows)" for label, count in self.found.most_common(LISTED)]
            raise UserError(
                f"no row has {self.fields.label} {', '.join(sorted(missing))}; found: "
                f"{', '.join(found) or 'no rows'}. Name the labels in the study (source.fields.positive, "
                "source.fields.negative)"
            )
