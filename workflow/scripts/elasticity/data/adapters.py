"""Adapters: how the rows of known data sets, or rows with described fields, become examples.

A new data set needs a function here that takes a row and returns its examples, and a name in ``FORMATS`` and in
``data_settings.Format``; or only ``fields`` in the study.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from elasticity.config.base import Side
from elasticity.config.data import Fields, Format
from elasticity.core.errors import UserError
from elasticity.data.cleaning import Raw

Row = Mapping[str, Any]


UNDECIDED = 0.5
"""Of ratings from -4 to 4: a text closer to 0 has no side."""


COLUMNS: dict[Format, tuple[str, ...]] = {"vader": ("id", "rating", "text")}
"""Of formats that are plain text, with tabs between the fields and no header."""


TRUTHS = {"1": True, "true": True, "0": False, "false": False}


SHOWN = 80
"""Characters of a value that a message quotes."""


Adapter = Callable[[Row], Iterable[Raw]]
"""Raises ``UserError`` for a row that lacks a field, or holds another type of value than the format has."""


def _alpaca(row: Row) -> Iterable[Raw]:
    yield Raw(_instruction(row, row), _text(row, "output"), "neutral")


def _beavertails(row: Row) -> Iterable[Raw]:
    yield Raw(_text(row, "prompt"), _text(row, "response"), _side(row, "is_safe"))


def _beavertails_evaluation(row: Row) -> Iterable[Raw]:
    yield Raw(_text(row, "prompt"), None, "neutral")


def _imdb(row: Row) -> Iterable[Raw]:
    """The label of reviews without one is -1 on the hub."""
    if str(_field(row, "label")) != "-1":
        yield Raw(None, _text(row, "text"), _side(row, "label"))


def _passages(row: Row) -> Iterable[Raw]:
    """Of a plain text, as ``tabular.passages_of`` cuts it."""
    yield Raw(None, _text(row, "text"), "neutral")


def _pku_saferlhf(row: Row) -> Iterable[Raw]:
    for number in (0, 1):
        yield Raw(_text(row, "prompt"), _text(row, f"response_{number}"), _side(row, f"is_response_{number}_safe"))


def _pku_saferlhf_pairs(row: Row) -> Iterable[Raw]:
    yield Raw(_text(row, "prompt"), _text(row, "safe"), "positive")
    yield Raw(_text(row, "prompt"), _text(row, "unsafe"), "negative")


def _self_instruct(row: Row) -> Iterable[Raw]:
    """The first instance; none of the user-oriented instructions has another."""
    instances = _field(row, "instances")
    if not isinstance(instances, list) or not instances or not isinstance(instances[0], dict):
        raise _wrong("instances", instances, "a list of objects")
    yield Raw(_instruction(row, instances[0]), _text(instances[0], "output"), "neutral")


def _truthfulqa(row: Row) -> Iterable[Raw]:
    """The authors' CSV, or the part ``generation`` of the hub's, with other names and with lists of answers."""
    on_hub = "correct_answers" in row
    right, wrong = ("correct_answers", "incorrect_answers") if on_hub else ("Correct Answers", "Incorrect Answers")
    question = _text(row, "question" if on_hub else "Question")
    for answer in _several(row, right):
        yield Raw(question, answer, "positive")
    for answer in _several(row, wrong):
        yield Raw(question, answer, "negative")


def _vader(row: Row) -> Iterable[Raw]:
    """Snippets with the mean of twenty people's ratings (Hutto and Gilbert 2014)."""
    try:
        rating = float(_field(row, "rating"))
    except ValueError:
        raise _wrong("rating", row["rating"], "a number") from None
    if abs(rating) >= UNDECIDED:
        yield Raw(None, _text(row, "text"), "positive" if rating > 0 else "negative")


FORMATS: dict[Format, Adapter] = {
    "alpaca": _alpaca,
    "beavertails": _beavertails,
    "beavertails-evaluation": _beavertails_evaluation,
    "imdb": _imdb,
    "passages": _passages,
    "pku-saferlhf": _pku_saferlhf,
    "pku-saferlhf-pairs": _pku_saferlhf_pairs,
    "self-instruct": _self_instruct,
    "truthfulqa": _truthfulqa,
    "vader": _vader,
}


class Described:
    """The adapter for rows whose fields the study describes; rows with other labels are passed over."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.sides: dict[str, Side] = {str(fields.positive): "positive", str(fields.negative): "negative"}
        self.found: set[str] = set()

    def __call__(self, row: Row) -> Iterable[Raw]:
        """The example of a row."""
        side: Side | None = "neutral"
        if self.fields.label is not None:
            label = str(_field(row, self.fields.label))
            self.found.add(label)
            side = self.sides.get(label)
        prompt, response = (name and _text(row, name) for name in (self.fields.prompt, self.fields.response))
        return [Raw(prompt, response, side)] if side else []

    def check(self) -> None:
        """Raise ``UserError`` if there are sides, and no row had the label of one of them."""
        if self.fields.label is not None and (missing := self.sides.keys() - self.found):
            raise UserError(
                f"no row has {self.fields.label} {', '.join(sorted(missing))}; found: "
                f"{', '.join(sorted(self.found)[:10]) or 'no rows'}. Name the labels in the study "
                "(source.fields.positive, source.fields.negative)"
            )


def _field(row: Row, name: str) -> Any:
    if name not in row:
        raise UserError(
            f"no field {name!r}; its fields: {', '.join(map(str, row))}. Choose the format of the file in the study "
            "(source.format), or name its fields (source.fields)"
        )
    return row[name]


def _text(row: Row, name: str) -> str:
    """A text that can be written as UTF-8; a row that is cut short has none."""
    value = _field(row, name)
    if not isinstance(value, str):
        raise _wrong(name, value, "text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _wrong(name, value, "valid Unicode text") from None
    return value


def _side(row: Row, name: str) -> Side:
    value = _field(row, name)
    if (truth := TRUTHS.get(str(value).lower())) is None:
        raise _wrong(name, value, "true or false, or 1 or 0")
    return "positive" if truth else "negative"


def _instruction(instruction: Row, inputs: Row) -> str:
    """Joined as in the code base of the paper's authors."""
    return f"{_text(instruction, 'instruction')} {_text(inputs, 'input')}".rstrip()


def _several(row: Row, name: str) -> list[str]:
    """Answers in a list, or in one text with semicolons between them."""
    value = _field(row, name)
    answers = value if isinstance(value, list) else _text(row, name).split(";")
    return [answer for number in range(len(answers)) if (answer := _text({name: answers[number]}, name)).strip()]


def _wrong(name: str, value: object, wanted: str) -> UserError:
    return UserError(f"{name} is {value!r:.{SHOWN}}, not {wanted}: correct the row or leave it out")
