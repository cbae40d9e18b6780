"""Reading the fields of a row, with errors that name the field, its value and what is allowed."""

from typing import Any

from elasticity.config.base import Side
from elasticity.config.formats import Row
from elasticity.core.errors import UserError

TRUTHS = {"1": True, "true": True, "0": False, "false": False}
"""Spellings of a truth value in JSON and CSV, in lower case."""


QUOTED = 80
"""Characters of a value that an error message quotes."""


def read_field(row: Row, name: str) -> Any:
    """The value of a field.

    Raises ``UserError`` with the names of the fields that the row has.
    """
    if name not in row:
        raise UserError(
            f"no field {name!r}; its fields: {', '.join(map(str, row))}. Choose the format of the file in the study "
            "(source.format), or name its fields (source.fields)"
        )
    return row[name]


def read_text(row: Row, name: str) -> str:
    """The text in a field.

    Raises ``UserError`` if the value is not text, or holds half of a surrogate pair and cannot be written as UTF-8.
    """
    value = read_field(row, name)
    if not isinstance(value, str):
        raise wrong_value(name, value, "text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong_value(name, value, "valid Unicode text") from None
    return value


def read_side(row: Row, name: str) -> Side:
    """The side in a field of truth values: true or 1 is positive, false or 0 is negative."""
    value = read_field(row, name)
    if (truth := TRUTHS.get(str(value).lower())) is None:
        raise wrong_value(name, value, "true or false, or 1 or 0")
    return "positive" if truth else "negative"


def read_instruction(instruction: Row, inputs: Row) -> str:
    """The fields ``instruction`` and ``input`` as one prompt, joined as in the code base of the paper's authors."""
    return f"{read_text(instruction, 'instruction')} {read_text(inputs, 'input')}".rstrip()


def wrong_value(name: str, value: object, wanted: str) -> UserError:
    """The error for a field whose value is not what the format has there."""
    return UserError(f"{name} is {value!r:.{QUOTED}}, not {wanted}: correct the row or leave it out")
