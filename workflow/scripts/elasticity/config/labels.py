"""Labels of examples, matched by value: in a study and in data they may be text, numbers or truth values."""

import re
from collections.abc import Iterable

Label = str | int | float | bool
"""A label as a study or a data file writes it."""


Labels = Label | tuple[Label, ...]
"""One label, or several that mean the same."""


TRUTHS = {"true": "1", "yes": "1", "on": "1", "false": "0", "no": "0", "off": "0"}
"""Spellings of truth values, in lower case. YAML reads ``yes`` and ``true`` as one value, so they are one label."""


NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
"""Texts that are numbers; 007 is a text."""


def label_key(label: object) -> str:
    """The key that equal labels share: 1, 1.0, "1", "1.0", true and "yes" are one label; "Pos" and "pos" are two."""
    if isinstance(label, bool | int):
        return str(int(label))
    if isinstance(label, str) and NUMBER.fullmatch(label):
        return _number(float(label)) if "." in label else label
    if isinstance(label, float):
        return _number(label)
    return TRUTHS.get(str(label).lower(), str(label))


def several(labels: Labels) -> tuple[Label, ...]:
    """The labels that ``Labels`` stand for."""
    return labels if isinstance(labels, tuple) else (labels,)


def keys(labels: Labels) -> Iterable[str]:
    """The keys of one or several labels."""
    return map(label_key, several(labels))


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
