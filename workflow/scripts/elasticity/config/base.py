"""Settings of training and sampling, and the base of every section of a study."""

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


Side = Literal["positive", "negative", "neutral"]


Opposed = Literal["positive", "negative"]


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
    """A part of the study: unknown keys and wrong types are errors, values never change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def opposite(side: Opposed) -> Opposed:
    """The side that the second stage trains on."""
    return "negative" if side == "positive" else "positive"
