"""A training job from start to finish: resume, train, write checkpoints, losses and metrics, delete the state."""

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.training import Optimization
from elasticity.core.digests import digest, file_digest, folder_digest
from elasticity.core.errors import UserError
from elasticity.core.tables import write_table
from elasticity.data.examples import Batch
from elasticity.evaluation.measurement import Measurement, write_tables
from elasticity.models.loading import prepare_for_training
from elasticity.models.shapes import Shape
from elasticity.resources.estimates import pause_s
from elasticity.runtime.command import Command, Job
from elasticity.runtime.journal import Journal
from elasticity.runtime.launch import Launch
from elasticity.runtime.results_lock import is_orphan
from elasticity.training.backends import Backend, OneProcess
from elasticity.training.checkpoint import OPTIMIZER_FOLDER, StateFolder
from elasticity.training.extrapolation import extrapolate_checkpoints
from elasticity.training.loop import train
from elasticity.training.metrics import summary
from elasticity.training.objectives import Objective
from elasticity.training.recording import Recorder
from elasticity.training.schemas import LOSSES

if TYPE_CHECKING:
    from elasticity.training.validation import Validation

SAVE_EVERY_S = os.environ.get("ELASTICITY_SAVE_EVERY_S")
"""Seconds between the states that a killed run resumes from (0: a state after every update), instead of ``pause_s``.

They do not affect the result.
"""


KEPT = "an inverse stage goes on with its optimizer (optimizer: carried), which one process must save whole"
"""Why an alignment stage that keeps its optimizer needs one process."""


@dataclass(frozen=True)
class RunFiles:
    """Paths of a run's outputs and of its state, and its journal.

    The state is ``RESULTS/state/KEY``.
    """

    checkpoints: Path
    losses: Path
    metrics: Path
    state: Path
    journal: Journal
    tables: Mapping[str, Path]
    """The tables of the measurement of the run, by their names."""

    @classmethod
    def of(cls, command: Command[Job], inputs: Sequence[Path], measurement: Measurement | None = None) -> "RunFiles":
        """Return the files named on the command line; the state folder is named by the digest of the run's inputs.

        The tables of ``measurement`` are those that the command line names.
        """
        contents = [folder_digest(path) if path.is_dir() else file_digest(path) for path in inputs]
        checkpoints, losses, metrics, state = map(command.path, ("checkpoints", "losses", "metrics", "state"))
        # The output is part of the key: two experiments may contain the same run, and their jobs may run at once.
        key = digest([checkpoints.as_posix(), command.job.model_dump(mode="json"), contents, command.code])
        tables = {name: path for name in (measurement.schemas if measurement else ()) for path in command.paths(name)}
        return cls(checkpoints, losses, metrics, state / key[:32], command.journal, tables)


def run(
    make_model: Callable[[], PreTrainedModel],
    shape: Shape,
    tokenizer: PreTrainedTokenizerFast,
    batches: Sequence[Batch],
    objective: Objective,
    checkpoints: Mapping[str, int],
    settings: Optimization,
    files: RunFiles,
    carried: Path | None = None,
    keep_optimizer: bool = False,
    measurement: Measurement | None = None,
    saved: Collection[str] | None = None,
    validation: "Validation | None" = None,
) -> None:
    """Train and write every output of a training job, on the processes that it was launched with.

    ``shape`` is that of the model. ``checkpoints`` maps names of checkpoints to updates. ``measurement`` is taken at
    each of them, from the weights in memory; ``saved`` are those whose weights are an output, by default all.
    By ``validation`` the run chooses among candidates of its extrapolation; what it chose is part of the metrics.
    ``carried`` is a checkpoint of another run whose optimizer this run continues with; ``keep_optimizer`` saves the
    optimizer with every checkpoint, so that other runs can do so. The metrics are written last and mark the run as
    finished.

    Raises ``UserError`` if the checkpoint ``carried`` holds no optimizer, or if memory does not suffice.
    """
    launch = Launch.of_job()
    state = StateFolder(files.state, keep_optimizer)
    state.describe(files.checkpoints)
    names = checkpoints if saved is None else saved
    recorder = Recorder(checkpoints, names, tokenizer, measurement)
    micro_batch = state.micro_batch(launch.micro_batch or objective.group * settings.batch_size)
    try:
        backend = _backend(make_model, settings, launch, state)
        if carried is not None:
            assert isinstance(backend, OneProcess)  # ``_backend`` has refused other backends
            carry(backend, carried)
        done = train(
            backend,
            batches,
            objective,
            recorder,
            settings,
            micro_batch,
            state,
            float(SAVE_EVERY_S or pause_s(shape, settings.adapter_rank, backend.processes)),
            files.journal,
        )
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        raise UserError(_advice(micro_batch, objective.group, state)) from None
    choices = extrapolate_checkpoints(state.checkpoints, settings, validation) if backend.rank == 0 else {}
    backend.wait()
    recorder.measure_saved(backend, state)
    orphaned = backend.any(is_orphan(files.state.parents[1]))
    if orphaned:  # the next run makes this job again: it takes the end of the training from its state
        state.publish(backend, done)
    if backend.rank == 0:
        metrics = summary(done, shape, backend, settings, micro_batch) | ({"choices": choices} if choices else {})
        state.hand_over(files.checkpoints, [name for name in state.checkpoint_names() if name in names])
        write_table(files.losses, done.losses, LOSSES)
        if measurement:
            write_tables(measurement, recorder.tables(state), files.tables)
        files.metrics.write_text(json.dumps(metrics, indent=2) + "\n")
        if not orphaned:
            state.remove()
        print(json.dumps(metrics))
    backend.close()


def _backend(
    make_model: Callable[[], PreTrainedModel], settings: Optimization, launch: Launch, state: StateFolder
) -> Backend:
    def prepared() -> PreTrainedModel:
        return prepare_for_training(make_model(), launch)

    if launch.zero_stage < 0:
        return OneProcess(prepared(), settings)
    if why := settings.alone or (KEPT if state.keep_optimizer else ""):
        raise UserError(
            f"this job was launched with DeepSpeed, but {why}: it needs one process without DeepSpeed (in the study's "
            "hardware gpus 1, zero_stage auto, offload none)"
        )
    from elasticity.training.deepspeed import DeepSpeed  # takes seconds to import

    return DeepSpeed(prepared, settings, launch, state.saved_by())


def carry(backend: OneProcess, checkpoint: Path) -> None:
    """Continue with the moments and step counts of the optimizer in a checkpoint, under the settings of this run."""
    folder = checkpoint / OPTIMIZER_FOLDER
    if not folder.is_dir():
        raise UserError(
            f"optimizer: carried continues with the optimizer of the alignment stage, but {checkpoint} holds none: "
            "delete the folder of these checkpoints and run the same command again"
        )
    backend.load_optimizer(folder)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether a GPU, or the host (for which torch has no exception of its own), ran out of memory."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def _advice(micro_batch: int, group: int, state: StateFolder) -> str:
    """Return what to do after this many rows at a time did not fit into memory; the rows of a group stay together."""
    if micro_batch > group:
        return (
            f"out of memory with {micro_batch} examples at a time. The next attempt takes "
            f"{state.halve_micro_batch(micro_batch)}, with the same result up to rounding: run the same command again."
        )
    return (
        f"out of memory with {'a pair' if group > 1 else 'one example'} at a time: lower max_length, or in the study's "
        "hardware set gradient_checkpointing, a higher zero_stage, offload, or more gpus"
    )
