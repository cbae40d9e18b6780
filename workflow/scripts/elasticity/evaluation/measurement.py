"""What a training job measures of its model at each checkpoint, before training goes on."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa
from transformers import PreTrainedModel

from elasticity.core.tables import write_table
from elasticity.models.loading import load_for_measuring
from elasticity.runtime.journal import is_first_process

Rows = list[dict[str, Any]]

Tables = dict[str, Rows]
"""Rows of each table of a measurement, by its name. All processes but the first have none."""


class Measurement(Protocol):
    """Measures a model. All processes of a job call the same methods; each measures its share."""

    schemas: ClassVar[Mapping[str, pa.Schema]]
    """The schema of each table."""

    def measure(self, model: PreTrainedModel, checkpoint: int) -> Tables:
        """Return what is measured of a model in evaluation mode with fp32 weights, which stays as it is."""


def measure_folders(measurement: Measurement, folder: Path, checkpoints: Iterable[int]) -> Tables:
    """Return what is measured of checkpoints, which are loaded one after another; ``folder`` contains them."""
    tables: Tables = {name: [] for name in measurement.schemas}
    for checkpoint in checkpoints:
        model = load_for_measuring(folder / str(checkpoint))
        for name, rows in measurement.measure(model, checkpoint).items():
            tables[name] += rows
        del model  # free its memory before the next is loaded
    return tables


def write_tables(measurement: Measurement, tables: Tables, paths: Mapping[str, Path]) -> None:
    """Write those tables of a measurement that have a path; the first process does."""
    if is_first_process():
        for name, path in paths.items():
            write_table(path, tables[name], measurement.schemas[name])
