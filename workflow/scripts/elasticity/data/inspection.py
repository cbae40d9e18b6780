"""A look at data whose form nobody has described: which format fits, or which fields hold texts and labels."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any

from elasticity.config.base import Side
from elasticity.config.data import Fields
from elasticity.config.formats import BOTH, FORMATS, DataFormat, Row
from elasticity.config.labels import NUMBER, Label, Labels, label_key, several
from elasticity.core.errors import UserError
from elasticity.data.cleaning import Raw
from elasticity.data.described import Described
from elasticity.data.labels import ClassLabel, shown
from elasticity.data.readers import kind_of
from elasticity.data.rows import NoFieldError, PassedOverError
from elasticity.data.sources import Files, paths, rows

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


LISTED = 10
"""Names or reasons that a line lists."""


WORDS = 5
"""Most words of the name of a column."""


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
    """Look at the first rows of a source that has no format.

    Raises ``UserError`` if it cannot be read, or holds no row.
    """
    files = paths(source)
    if all(path.is_file() and kind_of(path) in (".txt", "") for path in files):
        found = list(islice(rows(source.model_copy(update={"format": "passages"})), LOOKED_AT))
        return _inspection(found, "passages", None, {}, ("format passages: plain text",))
    found = list(islice(rows(source), LOOKED_AT))
    if not found:
        raise UserError(f"{', '.join(map(str, files[:LISTED]))} holds no rows")
    if all(kind_of(path) in (".csv", ".tsv") for path in files):
        _check_header(files[0], found)
    fits = {name: _fit(FORMATS[name], found) for name in FORMATS.names()}
    fitting = {name: used for name, (used, _) in fits.items() if used}
    most = max(map(len, fitting.values()), default=0)
    best = [name for name, used in fitting.items() if len(used) == most]
    if len(best) == 1:
        seen = _known(found, best[0], fitting[best[0]])
    else:
        seen = _guess(found, f"the formats {' and '.join(best)} fit equally well" if best else "no known format fits")
    if _two_sided(seen):
        return seen
    others = (f"format {name} does not fit: {reason}" for name, (_, reason) in fits.items() if reason)
    return replace(seen, reasons=(*seen.reasons, *others))


def _known(found: Sequence[Row], name: str, used: set[str]) -> Inspection:
    """The rows in a format that reads these fields; or a guess that reads them, too, and finds two sides instead."""
    reason = f"format {name}: it reads all of the first {len(found)} rows, by their fields {', '.join(sorted(used))}"
    seen = _inspection(found, name, None, {}, (reason, *_not_read(found, used)))
    if _two_sided(seen):
        return seen
    try:
        guess = _guess(found, f"the format {name} reads no two sides")
    except UserError:  # rows that only a format reads
        return seen
    return guess if _two_sided(guess) and used <= _named(guess.fields) else seen


def _two_sided(seen: Inspection) -> bool:
    return all(side in seen.example for side in BOTH)


def _named(fields: Fields | None) -> set[str]:
    """The names of the fields of a row that these fields read."""
    return {name for name in (fields.prompt, fields.response, fields.label) if name} if fields else set()


def _not_read(found: Sequence[Row], used: Collection[str]) -> list[str]:
    """A line about the fields that are not read; none if all are."""
    names = [repr(name) for name in dict.fromkeys(name for row in found for name in row) if name not in used]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return [f"fields that are not read: {', '.join(names[:LISTED])}{more}"] if names else []


def _check_header(path: Path, found: Sequence[Row]) -> None:
    """Raise ``UserError`` if the header of a CSV file looks like a row of data."""
    names = list(found[0])
    if any(len(name.split()) > WORDS for name in names) and any(row[name] == name for row in found for name in names):
        raise UserError(
            f"the first line of {path} seems to be a row of data ({', '.join(names):.80}), not the names of the "
            "columns: put a line of names above it, such as text,label"
        )


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


def _fit(known: DataFormat, found: Sequence[Row]) -> tuple[set[str], str | None]:
    """The fields by which a format reads the rows: none if it cannot read one of them, or finds no example in any.

    Then also the reason, if the rows have its fields.
    """
    if known.passages or known.columns or not (known.has_responses or found[0].keys().isdisjoint(RESPONSES)):
        return set(), None
    used: set[str] = set()
    passed: Counter[str] = Counter()
    for number, row in enumerate(found, start=1):
        try:
            list(known.examples(_Watched(row, used)))
        except PassedOverError as reason:
            passed[str(reason)] += 1
        except NoFieldError:
            return set(), None
        except UserError as error:
            return set(), f"row {number}: {error}"
    if passed.total() == len(found):
        return set(), ", ".join(f"{reason}: {count}" for reason, count in passed.most_common(LISTED))
    return used, None


def _guess(found: Sequence[Row], why: str) -> Inspection:
    """Fields for rows of no known format."""
    flat = [dict(_flat(row)) for row in found]
    columns = {name: [row.get(name) for row in flat] for name in dict.fromkeys(name for row in flat for name in row)}
    lists = [name for name, values in columns.items() if any(isinstance(value, list) for value in values)]
    texts = [name for name, values in columns.items() if _is_text(values)]
    counts = {name: Counter(map(shown, values)) for name, values in columns.items() if name not in lists}
    label = _label(counts, len(found))
    texts = [name for name in texts if name != label]
    if not texts:
        kinds = ", ".join(f"{name} ({_kind(values)})" for name, values in list(columns.items())[:LISTED])
        return Inspection(None, None, {}, len(found), {}, (f"{why}, and no field holds text: {kinds}",))
    prompt = next((name for name in PROMPTS if name in texts), None)
    others = [name for name in texts if name not in PROMPTS]
    if prompt and lists and not others:
        words = (
            f"{why}; {prompt} seems to be a prompt, and {', '.join(lists)} to be lists: name an element of one, such"
        )
        return Inspection(None, None, {}, len(found), {}, (f"{words} as {lists[0]}.0",))
    response = next((name for name in RESPONSES if name in texts), None)
    reasons = [why]
    if prompt is None or response is None:
        prompt, response = None, max(others or texts, key=lambda name: mean(len(it or "") for it in columns[name]))
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
    reasons += _not_read(flat, _named(fields))
    return _inspection(found, None, fields, dict(counts[label].most_common()) if label else {}, tuple(reasons))


def _flat(row: Row, above: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a row with those in them, by their names in a study: ``a.b`` is the field b in the field a."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _kind(values: Sequence[Any]) -> str:
    """The type of a column, by its first value."""
    first = next((value for value in values if value is not None), None)
    return "null" if first is None else "equal texts" if isinstance(first, str) else type(first).__name__


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
    for number, row in enumerate(found, start=1):
        try:
            for prompt, response, side, _ in list(read(row)):
                examples.setdefault(side, Raw(prompt, response, side))
                counts[side] += 1
        except PassedOverError as reason:
            counts[str(reason)] += 1
        except UserError as error:
            raise UserError(f"row {number} of the data: {error}") from None
    said = ", ".join(f"{what}: {count}" for what, count in counts.most_common())
    return Inspection(name, fields, labels or dict(counts), len(found), examples, (*reasons, f"in these rows: {said}"))
