"""The base class of every section of a study, and the types of names, sides, sizes and seeds."""

import itertools
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from elasticity.core.registry import Registry

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$", max_length=80)]
"""The name of a study, a task, a model, a recipe, an experiment or a claim. Names become those of folders."""


Seed = Annotated[NonNegativeInt, Field(lt=2**63)]
"""A seed of random numbers, which tables hold as integers of 64 bits."""


Side = Literal["positive", "negative", "neutral"]
"""The label of an example."""


Opposed = Literal["positive", "negative"]
"""The sides that have an opposite."""


Number = TypeVar("Number", int, float)


def _ascending(values: tuple[Number, ...]) -> tuple[Number, ...]:
    if any(a >= b for a, b in itertools.pairwise(values)):
        raise ValueError("must be in ascending order, without repeats")
    return values


Ascending = AfterValidator(_ascending)


Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1), Ascending]


SizesFromZero = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1), Ascending]


OptionalSizes = Annotated[tuple[NonNegativeInt, ...], Ascending]


Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), Ascending]


Candidates = NonNegativeFloat | Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1), Ascending]
"""A number, or several of which a run chooses one by its validation examples."""


def candidates(value: float | tuple[float, ...]) -> tuple[float, ...]:
    """Return the numbers that ``Candidates`` stand for."""
    return value if isinstance(value, tuple) else (value,)


@dataclass(frozen=True)
class OneOf:
    """Constraint of a text: it names an entry of a registry. The message and the JSON schema list the names.

    ``otherwise`` is what the message adds about values that no entry fits.
    """

    registry: Registry[Any]
    otherwise: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core) | {"enum": list(self.registry.names())}

    def _check(self, name: str) -> str:
        if name not in self.registry.names():
            known = ", ".join(self.registry.names())
            raise ValueError(f"there is no {self.registry.kind} {name!r}; available: {known}{self.otherwise}")
        return name


class Section(BaseModel):
    """A section of a study. Unknown keys and values of another type are errors; instances are immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def opposite(side: Opposed) -> Opposed:
    """Return the opposite side."""
    return "negative" if side == "positive" else "positive"
