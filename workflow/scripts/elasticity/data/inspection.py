"""A look at data whose form nobody has described: which format fits, or which fields hold texts and labels."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import mean
from typing import Any

from elasticity.config.base import Side
from elasticity.config.data import Fields
from elasticity.config.formats import FORMATS, DataFormat, Row
from elasticity.config.labels import NUMBER, Label, Labels, label_key, several
from elasticity.core.errors import UserError
from elasticity.data.cleaning import Raw
from elasticity.data.described import Described
from elasticity.data.labels import ClassLabel, shown
from elasticity.data.rows import PassedOverError
from elasticity.data.sources import Files, rows

LOOKED_AT = 2000
"""Rows that are read."""


PROMPTS = ("prompt", "question", "instruction", "query", "input", "q")
"""Usual names of fields of prompts, in order of preference."""


RESPONSES = ("response", "completion", "answer", "output", "reply", "a")
"""Usual names of fields of responses, in order of preference."""


LABELS = ("label", "labels", "sentiment", "class", "target", "rating", "score", "stars")
"""Usual names of fields of labels, in order of preference."""


POSITIVE = ("1", "pos", "positive", "good", "safe", "chosen", "desirable")
"""Usual names of the positive label, as keys, in lower case."""


NEGATIVE = ("0", "neg", "negative", "bad", "unsafe", "rejected", "undesirable")
"""Usual names of the negative label, as keys, in lower case."""


MOST_LABELS = 10
"""Different values that a field of labels may have."""


@dataclass(frozen=True)
class Inspection:
    """What the first rows of a source look like.

    ``format`` is the registered format that fits them, and the only one that uses as many of their fields. ``fields``
    is a guess where there is none; None if no field holds text. ``labels`` counts the values of the field of labels
    as messages show them. ``example`` has one example of each side that occurs, as it would be read, and ``reasons``
    says what was guessed, and why.
    """

    format: str | None
    fields: Fields | None
    labels: dict[str, int]
    rows: int
    example: dict[Side, Raw]
    reasons: tuple[str, ...]


def inspect(source: Files) -> Inspection:
    """Look at the first rows of a source; what it says of its format and fields does not matter.

    Raises ``UserError`` if it cannot be read, or holds no row.
    """
    found = list(islice(rows(source), LOOKED_AT))
    if not found:
        raise UserError(f"{source.model_dump(exclude_defaults=True)} holds no rows")
    fitting = {name: used for name in FORMATS.names() if (used := _fields_used(FORMATS[name], found))}
    most = max(map(len, fitting.values()), default=0)
    best = [name for name, used in fitting.items() if len(used) == most]
    if len(best) == 1:
        used = ", ".join(sorted(fitting[best[0]]))
        reason = f"format {best[0]}: it reads all of the first {len(found)} rows, by their fields {used}"
        return _inspection(found, best[0], None, {}, (reason,))
    return _guess(found, f"the formats {' and '.join(best)} fit equally well" if best else "no known format fits")


class _Watched(Mapping[str, Any]):
    """A row that notes which of its fields are read."""

    def __init__(self, row: Row, used: set[str]) -> None:
        self.row = row
        self.used = used

    def __getitem__(self, name: str) -> Any:
        value = self.row[name]
        self.used.add(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.row)

    def __len__(self) -> int:
        return len(self.row)


def _fields_used(known: DataFormat, found: Sequence[Row]) -> set[str]:
    """The fields by which a format reads the rows; none if it cannot read one of them, or finds no example in any."""
    if known.passages or known.columns or not (known.has_responses or found[0].keys().isdisjoint(RESPONSES)):
        return set()
    used: set[str] = set()
    examples = 0
    for row in found:
        try:
            examples += len(list(known.examples(_Watched(row, used))))
        except PassedOverError:
            continue
        except UserError:
            return set()
    return used if examples else set()


def _guess(found: Sequence[Row], why: str) -> Inspection:
    """Fields for rows of no known format."""
    columns = {name: [row.get(name) for row in found] for name in dict.fromkeys(name for row in found for name in row)}
    texts = [name for name, values in columns.items() if _is_text(values)]
    counts = {name: Counter(map(shown, values)) for name, values in columns.items() if not _is_nested(values)}
    label = _label(counts, len(found))
    texts = [name for name in texts if name != label]
    if not texts:
        return Inspection(None, None, {}, len(found), {}, (f"{why}, and no field holds text",))
    prompt = next((name for name in PROMPTS if name in texts), None)
    response = next((name for name in RESPONSES if name in texts), None)
    reasons = [why]
    if prompt is None or response is None:
        prompt, response = None, max(texts, key=lambda name: mean(len(str(value or "")) for value in columns[name]))
        reasons.append(f"fields.response {response}: the field with the longest texts")
    else:
        reasons.append(f"fields.prompt {prompt}, fields.response {response}: by their names")
    sides = _sides(columns[label]) if label else None
    if label and sides:
        positive, negative = sides
        fields = Fields(prompt=prompt, response=response, label=label, positive=positive, negative=negative)
        reasons.append(f"fields.label {label}: positive {_listed(positive)}, negative {_listed(negative)}")
    else:
        fields = Fields(prompt=prompt, response=response, label=None)
        reasons.append(
            f"fields.label null: which values of {label} are positive and which negative is for you to say"
            if label
            else f"fields.label null: no field has two to {MOST_LABELS} values"
        )
    return _inspection(found, None, fields, dict(counts[label].most_common()) if label else {}, tuple(reasons))


def _label(counts: Mapping[str, Counter[str]], rows: int) -> str | None:
    """The field of labels: one of the usual names, else the field with the fewest values; None if no field has few."""
    few = {name: len(count) for name, count in counts.items() if 1 < len(count) <= min(MOST_LABELS, rows // 2)}
    by_name = {name.lower(): name for name in few}
    usual = next((by_name[name] for name in LABELS if name in by_name), None)
    return usual or min(few, key=lambda name: few[name], default=None)


def _is_text(values: Sequence[Any]) -> bool:
    """Whether a column holds texts, not all of them equal."""
    given = [value for value in values if value is not None]
    return bool(given) and all(isinstance(value, str) for value in given) and len({*given}) > 1


def _is_nested(values: Sequence[Any]) -> bool:
    return any(isinstance(value, list | dict) for value in values)


def _sides(values: Sequence[Any]) -> tuple[Labels, Labels] | None:
    """The labels of the positive and of the negative side; None if nothing tells."""
    labels = {label_key(value): value for value in values if value is not None}
    if all(NUMBER.fullmatch(key) and not isinstance(value, ClassLabel) for key, value in labels.items()):
        scale = sorted(labels, key=float)
        half = len(scale) // 2  # the upper half of a scale is positive; its middle value is of neither side
        return _labels(labels[key] for key in scale[-half:]), _labels(labels[key] for key in scale[:half])
    names = [str(value.name if isinstance(value, ClassLabel) else value) for value in labels.values()]
    positive, negative = (
        [name for name in names if label_key(name.strip().lower()) in usual] for usual in (POSITIVE, NEGATIVE)
    )
    return (_labels(positive), _labels(negative)) if positive and negative else None


def _listed(labels: Labels) -> str:
    return " and ".join(map(shown, several(labels)))


def _labels(labels: Iterable[Label]) -> Labels:
    found = tuple(labels)
    return found[0] if len(found) == 1 else found


def _inspection(
    found: Sequence[Row], name: str | None, fields: Fields | None, labels: dict[str, int], reasons: tuple[str, ...]
) -> Inspection:
    """The inspection with one example of each side."""
    read = FORMATS[name].examples if name else Described(fields or Fields())
    examples: dict[Side, Raw] = {}
    counts: Counter[str] = Counter()
    for row in found:
        try:
            for prompt, response, side, _ in list(read(row)):
                examples.setdefault(side, Raw(prompt, response, side))
                counts[side] += 1
        except PassedOverError as reason:
            counts[str(reason)] += 1
    said = ", ".join(f"{what}: {count}" for what, count in counts.most_common())
    return Inspection(name, fields, labels or dict(counts), len(found), examples, (*reasons, f"in these rows: {said}"))
