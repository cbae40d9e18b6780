"""Training algorithms of the fine-tuning stages: what all of them declare, and the registry that they are found in.

Each algorithm is one class in a module of ``elasticity.training.algorithms``. It holds the options that a study sets
under ``algorithm``, declares what planning needs (sequences, passes, drawn tokens), and makes the training data.
"""

import json
from abc import ABC, abstractmethod
from functools import cache
from typing import Annotated, Any, ClassVar, Union

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, SerializeAsAny, TypeAdapter, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from elasticity.config.base import Section
from elasticity.core.registry import Registry


class Algorithm(Section, ABC):
    """A training algorithm and its options: the fields of the class, beside ``kind``.

    Reading a study imports the modules of all algorithms, so these import torch only inside the methods that compute.
    """

    kind: str
    """The name in the registry; subclasses narrow it to a ``Literal``."""

    sequences_per_example: ClassVar[int] = 1
    """Token sequences that one example consists of: 2 for a pair of responses."""

    compares_sides: ClassVar[bool] = False
    """Whether an inverse stage reads the examples of both sides: first its own, then those of the alignment stage."""

    @property
    def drawn_tokens(self) -> int:
        """Maximal number of tokens of each response that training draws from the model; 0 if it draws none.

        An algorithm that draws gets prompts, a score model and the model at the start of the stage.
        """
        return 0

    @property
    def updates_per_batch(self) -> int:
        """Number of successive optimizer updates on each batch."""
        return 1

    @property
    def measured_sequences(self) -> int:
        """Number of forward passes without a gradient for each example: those of a reference model, for instance."""
        return 0

    def check_batch_size(self, batch_size: int) -> None:
        """Raise ``ValueError`` if the algorithm cannot train on batches of this many examples."""
        return  # not abstract: most algorithms take any batch

    @abstractmethod
    def training_data(self, inputs: Any) -> Any:
        """Return the batches and the objective of a fine-tuning job.

        ``inputs`` is a ``TrainingInputs`` and the result a ``TrainingData``, both of ``elasticity.training.datasets``,
        which the configuration cannot import.
        """


ALGORITHMS: Registry[type[Algorithm]] = Registry("training algorithm", "elasticity.training.algorithms")


@cache
def _union(algorithms: tuple[type[Algorithm], ...]) -> TypeAdapter[Algorithm]:
    union: Any = Annotated[Union[algorithms], Field(discriminator="kind")]  # noqa: UP007 (members known at run time)
    return TypeAdapter(union)


def _registered() -> TypeAdapter[Algorithm]:
    return _union(tuple(ALGORITHMS[name] for name in ALGORITHMS.names()))


def _by_kind(value: Any, info: ValidationInfo) -> Algorithm:
    """Validate the options of an algorithm by the class that ``kind`` names."""
    if isinstance(value, Algorithm):
        return value
    if info.mode == "json":  # strict validation of JSON takes a list for a tuple, that of Python objects does not
        return _registered().validate_json(json.dumps(value))
    return _registered().validate_python(value)


class _SchemaOfAll:
    """Gives ``AnyAlgorithm`` the JSON schema of a union of all registered algorithms."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        union: Any = _registered().core_schema
        return handler(union)


AnyAlgorithm = Annotated[SerializeAsAny[Algorithm], BeforeValidator(_by_kind), _SchemaOfAll()]
"""An algorithm of the registry, chosen by ``kind``; written to JSON with all its options."""
