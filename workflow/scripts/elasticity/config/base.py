"""The base class of every section of a study, and the types of names, sides, sizes and seeds."""

import itertools
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
)

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$")]
"""The name of a study, a task, a model, a recipe, an experiment or a claim."""


Side = Literal["positive", "negative", "neutral"]
"""The label of an example."""


Opposed = Literal["positive", "negative"]
"""The sides that have an opposite."""


def _ascending(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(a >= b for a, b in itertools.pairwise(values)):
        raise ValueError("must be in ascending order, without repeats")
    return values


Ascending = AfterValidator(_ascending)


Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1), Ascending]


SizesFromZero = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1), Ascending]


OptionalSizes = Annotated[tuple[NonNegativeInt, ...], Ascending]


Seeds = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1), Ascending]


class Section(BaseModel):
    """A section of a study. Unknown keys and values of another type are errors; instances are immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def opposite(side: Opposed) -> Opposed:
    """Return the opposite side."""
    return "negative" if side == "positive" else "positive"
