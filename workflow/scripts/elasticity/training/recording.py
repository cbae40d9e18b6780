"""What a run leaves behind at each of its checkpoints: saved weights, and measurements of the weights in memory."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.evaluation.measurement import Measurement, Tables
from elasticity.models.loading import load_for_measuring
from elasticity.training.backends import Backend
from elasticity.training.checkpoint import StateFolder
from elasticity.training.extrapolation import is_internal


@dataclass(frozen=True)
class Recorder:
    """Saves and measures the model of a run at its checkpoints, each once, however often the run is interrupted.

    ``updates`` maps the name of each checkpoint to the number of updates after which it is taken; ``saved`` are those
    whose weights are an output. Measurements leave no trace in the training: it ends at the same bits without them.
    """

    updates: Mapping[str, int]
    saved: Collection[str]
    tokenizer: PreTrainedTokenizerFast
    measurement: Measurement | None = None

    def record(self, backend: Backend, update: int, state: StateFolder) -> float:
        """Save and measure the checkpoints that are taken after this many updates; return the seconds of measuring."""
        seconds = 0.0
        for name in (name for name, at in self.updates.items() if at == update):
            if (name in self.saved or is_internal(name)) and not backend.any(state.has_checkpoint(name)):
                state.save_checkpoint(name, backend, self.tokenizer)
            if not is_internal(name) and self._is_to_measure(name, backend, state):
                started = time.monotonic()
                with backend.measured_model() as model:
                    self._measure(model, name, backend, state)
                seconds += time.monotonic() - started
        return seconds

    def measure_saved(self, backend: Backend, state: StateFolder) -> None:
        """Measure those checkpoints that were made after training, by extrapolation, from their saved weights."""
        for name in (name for name in state.checkpoint_names() if self._is_to_measure(name, backend, state)):
            self._measure(load_for_measuring(state.checkpoints / name), name, backend, state)

    def tables(self, state: StateFolder) -> Tables:
        """Return the rows of all checkpoints, in the order of their sizes."""
        if self.measurement is None:
            return {}
        names = sorted(state.measured_names(), key=int)
        schemas = self.measurement.schemas
        return {table: state.rows(names, table, schema) for table, schema in schemas.items()}

    def _is_to_measure(self, name: str, backend: Backend, state: StateFolder) -> bool:
        return self.measurement is not None and not backend.any(state.has_tables(name))

    def _measure(self, model: PreTrainedModel, name: str, backend: Backend, state: StateFolder) -> None:
        assert self.measurement is not None
        tables = self.measurement.measure(model, int(name))
        state.save_tables(name, backend, tables, self.measurement.schemas)
