"""The registry of data formats: the values that a study may give to ``format``, and what each of them means.

A format is defined by one module of the package ``elasticity.data.formats``. The package is imported when a study first
names a format, so no module in it may import torch, transformers, datasets or pandas.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from elasticity.config.base import Side
from elasticity.core.registry import Registry

Row = Mapping[str, Any]
"""One row of a data file: values by field name."""


Sides = tuple[Side, ...]


BOTH: Sides = ("positive", "negative")


NEUTRAL: Sides = ("neutral",)


RowReader = Callable[[Row], Iterable[tuple[str | None, str | None, Side, str]]]
"""Maps a row to its examples (``elasticity.data.cleaning.Raw``): prompt, response, side, source.

The prompt is None in data without prompts, the response is None in data without responses; the source is filled in
later. Raises ``UserError`` if a field is missing or holds a value of another type.
"""


@dataclass(frozen=True)
class DataFormat:
    """How the files of a known data set become examples.

    ``sides``: the sides that its examples have.
    ``has_prompts``, ``has_responses``: whether its examples have prompts and responses.
    ``examples``: the function that maps a row to its examples.
    ``columns``: names of the fields of tab-separated text without a header; None for files with named fields.
    ``passages``: whether the file is plain text that is cut into passages; each is a row with the field ``text``.
    """

    name: str
    sides: Sides
    has_prompts: bool
    has_responses: bool
    examples: RowReader
    columns: tuple[str, ...] | None = None
    passages: bool = False


FORMATS: Registry[DataFormat] = Registry("data format", "elasticity.data.formats")


def data_format(
    name: str,
    module: str,
    *,
    sides: Sides,
    has_prompts: bool,
    has_responses: bool = True,
    columns: tuple[str, ...] | None = None,
    passages: bool = False,
) -> Callable[[RowReader], RowReader]:
    """Decorator that registers a function of a row as a data format; ``module`` is the ``__name__`` of its module.

    The other arguments are those of ``DataFormat``. Raises ``ValueError`` if another module has registered the name.
    """

    def add(examples: RowReader) -> RowReader:
        entry = DataFormat(name, sides, has_prompts, has_responses, examples, columns, passages)
        FORMATS.register(name, module)(entry)
        return examples

    return add
