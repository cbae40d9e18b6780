"""Reading the fields of a row, with errors that name the field, its value and what is allowed."""

from collections.abc import Mapping
from typing import Any

from elasticity.config.base import Side
from elasticity.config.formats import Row
from elasticity.config.labels import label_key
from elasticity.core.errors import UserError
from elasticity.data.labels import shown

QUOTED = 80
"""Characters of a value that an error message quotes."""


class PassedOverError(Exception):
    """No example is made of a row. The text is the reason, under which the row is counted."""


class NoFieldError(UserError):
    """A row has no field of a name."""


def read_field(row: Row, name: str) -> Any:
    """The value of a field; ``a.b`` is the field ``b`` in the field ``a``, ``a.0`` the first element of a list.

    Raises ``NoFieldError`` with the names of the fields that the row has.
    """
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        elif value is None:
            return None
        else:
            raise NoFieldError(
                f"no field {name!r}; its fields: {', '.join(map(str, row))}. Choose the format of the file in the "
                "study (source.format), or name its fields (source.fields)"
            )
    return value


def read_text(row: Row, name: str) -> str:
    """The text in a field.

    Raises ``UserError`` if the value is not text, or holds half of a surrogate pair and cannot be written as UTF-8, and
    ``PassedOverError`` if it is null.
    """
    value = read_field(row, name)
    if value is None:
        raise PassedOverError(f"{name} is null")
    if not isinstance(value, str):
        raise wrong_value(name, value, "text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong_value(name, value, "valid Unicode text") from None
    return value


def read_side(row: Row, name: str) -> Side:
    """The side in a field of truth values: true or 1 is positive, false or 0 is negative.

    Raises ``UserError`` if the value is another one, ``PassedOverError`` if it is null.
    """
    value = read_field(row, name)
    if value is None:
        raise PassedOverError(f"{name} is null")
    if (side := SIDES.get(label_key(value))) is None:
        raise wrong_value(name, value, "true or false, or 1 or 0")
    return side


SIDES: dict[str, Side] = {label_key(True): "positive", label_key(False): "negative"}


def read_instruction(instruction: Row, inputs: Row) -> str:
    """The fields ``instruction`` and ``input`` as one prompt, joined as in the code base of the paper's authors.

    The input may be absent or null.
    """
    given = inputs.get("input") is not None and read_text(inputs, "input")
    return f"{read_text(instruction, 'instruction')} {given or ''}".rstrip()


def other_label(name: str, label: object) -> PassedOverError:
    """The reason for passing over a row whose label is that of no side."""
    return PassedOverError(f"{name} {shown(label)}")


def wrong_value(name: str, value: object, wanted: str) -> UserError:
    """The error for a field whose value is not what the format has there."""
    return UserError(f"{name} is {value!r:.{QUOTED}}, not {wanted}: correct the row or leave it out")
