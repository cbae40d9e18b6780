"""Training state that survives a kill: folders with a manifest, published by an atomic rename."""

import json
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from transformers import PreTrainedTokenizerFast

from elasticity.core.digests import STATE_NOTE, is_whole, seal
from elasticity.core.errors import UserError
from elasticity.core.tables import read_any_rows, write_table
from elasticity.evaluation.measurement import Rows, Tables
from elasticity.training.backends import Backend, OneProcess

OPTIMIZER_FOLDER = "optimizer"
"""Folder of the optimizer in a checkpoint; not beside the weights, because loaders read all safetensors there."""


@dataclass
class Progress:
    """Progress of a run: updates done, one row of the table of losses for each, and tokens with contexts.

    ``wall_s`` are the seconds of training, ``measuring_s`` those of measurements between updates.
    """

    update: int = 0
    losses: list[dict[str, Any]] = field(default_factory=list)
    wall_s: float = 0.0
    measuring_s: float = 0.0
    tokens: int = 0


class StateFolder:
    """The published states and checkpoints of one run, in a folder named by the digest of the run's inputs.

    The folder is outside the outputs that the workflow declares, because Snakemake deletes those before each attempt.
    All processes of a run call the same methods; the first process creates and renames folders.
    """

    def __init__(self, folder: Path, keep_optimizer: bool = False) -> None:
        """With ``keep_optimizer`` each checkpoint also holds the state of the optimizer, in ``OPTIMIZER_FOLDER``."""
        self.folder = folder
        self.keep_optimizer = keep_optimizer
        self.checkpoints = folder / "checkpoints"
        self.measured = folder / "measured"
        self.checkpoints.mkdir(parents=True, exist_ok=True)

    def describe(self, output: Path) -> None:
        """Note which output the states are of, for people who tidy up."""
        draft = self.folder / f"draft-{STATE_NOTE}-{os.getpid()}"
        draft.write_text(json.dumps({"output": output.as_posix()}) + "\n")
        os.replace(draft, self.folder / STATE_NOTE)

    def publish(self, backend: Backend, progress: Progress) -> None:
        """Save a state, then remove the older ones. A state after as many updates is the same one, and stays."""
        name = f"update-{progress.update:08d}"
        if backend.any((self.folder / name).is_dir()):
            return
        draft = self._draft(name, backend)
        backend.save_state(draft)
        backend.wait()
        if backend.rank == 0:
            manifest = {"progress": asdict(progress), "backend": backend.kind}
            (draft / "manifest.json").write_text(json.dumps(manifest))
            seal(draft)
            rename_whole(draft, self.folder / name)
            for older in self._published()[:-1]:
                shutil.rmtree(older)

    def saved_by(self) -> dict[str, Any]:
        """Return the ``kind`` of the backend that saved the last state; empty if there is no state."""
        published = self._published()
        return json.loads((published[-1] / "manifest.json").read_text())["backend"] if published else {}

    def resume(self, backend: Backend) -> Progress:
        """Load the last published state and return its progress; a fresh ``Progress`` if there is no state.

        A damaged state is set aside, and the one before it is taken, or none. Raises ``UserError`` if this backend
        cannot load the state.
        """
        if backend.rank == 0:
            self._set_damaged_aside()
        backend.wait()
        published = self._published()
        if not published:
            return Progress()
        manifest = json.loads((published[-1] / "manifest.json").read_text())
        if not backend.load_state(published[-1], manifest["backend"]):
            raise UserError(
                f"the state of this run in {published[-1]} was saved by {_words(manifest['backend'])}, and "
                f"{_words(backend.kind)} cannot continue from it. Give the job the same resources as before, or delete "
                f"{self.folder} to start the run from the beginning."
            )
        backend.wait()
        return Progress(**manifest["progress"])

    def has_checkpoint(self, name: str) -> bool:
        """Return whether the checkpoint was saved already, by an earlier attempt."""
        return (self.checkpoints / name).is_dir()

    def save_checkpoint(self, name: str, backend: Backend, tokenizer: PreTrainedTokenizerFast) -> None:
        """Save the model in its current state, as a folder in the Hugging Face layout."""
        draft = self._draft(f"checkpoint-{name}", backend)
        backend.save_model(draft, tokenizer)
        if self.keep_optimizer:
            assert isinstance(backend, OneProcess)  # ``run`` has refused other backends
            backend.save_optimizer(draft / OPTIMIZER_FOLDER)
        backend.wait()
        if backend.rank == 0:
            rename_whole(draft, self.checkpoints / name)

    def checkpoint_names(self) -> list[str]:
        """Return the names of the saved checkpoints, without those that are internal to the run."""
        return sorted(path.name for path in self.checkpoints.glob("[0-9]*"))

    def has_tables(self, name: str) -> bool:
        """Return whether the checkpoint was measured already, by an earlier attempt."""
        return (self.measured / name).is_dir()

    def measured_names(self) -> list[str]:
        """Return the names of the checkpoints that were measured."""
        return [path.name for path in self.measured.glob("[0-9]*")]

    def save_tables(self, name: str, backend: Backend, tables: Tables, schemas: Mapping[str, pa.Schema]) -> None:
        """Save what was measured of a checkpoint, for this attempt and later ones."""
        draft = self._draft(f"measured-{name}", backend)
        if backend.rank == 0:
            for table, rows in tables.items():
                write_table(draft / f"{table}.parquet", rows, schemas[table])
            self.measured.mkdir(exist_ok=True)
            rename_whole(draft, self.measured / name)
        backend.wait()

    def rows(self, names: Collection[str], table: str, schema: pa.Schema) -> Rows:
        """Return the rows of a table of these checkpoints, one after another."""
        return [row for name in names for row in read_any_rows(self.measured / name / f"{table}.parquet", schema)]

    def hand_over(self, target: Path, names: Collection[str]) -> None:
        """Link these checkpoints of the finished run into the declared output; the state stays until ``remove``."""
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in names:
            seal(self.checkpoints / name)
            shutil.copytree(self.checkpoints / name, target / name, copy_function=_link)

    def remove(self) -> None:
        """Delete the state of a run whose outputs are all written.

        The folder is renamed first: an attempt after one that was killed here must not find half of it.
        """
        removed = self.folder.with_name(f"removed-{self.folder.name}")
        shutil.rmtree(removed, ignore_errors=True)
        os.replace(self.folder, removed)
        shutil.rmtree(removed)

    def micro_batch(self, wanted: int) -> int:
        """Return the micro-batch: ``wanted``, or fewer rows after an attempt that ran out of memory."""
        note = self.folder / "micro-batch"
        return min(wanted, int(note.read_text())) if note.exists() else wanted

    def halve_micro_batch(self, tried: int) -> int:
        """Record for the next attempt that ``tried`` rows were too many, and return half of them.

        Any process of a run may call this.
        """
        note = self.folder / "micro-batch"
        draft = note.with_name(f"draft-micro-batch-{os.getpid()}")
        draft.write_text(str(max(1, tried // 2)))
        os.replace(draft, note)
        return max(1, tried // 2)

    def _set_damaged_aside(self) -> None:
        for state in reversed(self._published()):
            if is_whole(state):
                return
            aside = state.with_name(f"damaged-{state.name}")
            shutil.rmtree(aside, ignore_errors=True)
            os.replace(state, aside)
            print(f"the saved state {state} is damaged: it is now {aside}, and the run goes on without it", flush=True)

    def _published(self) -> list[Path]:
        return sorted(self.folder.glob("update-*"))

    def _draft(self, name: str, backend: Backend) -> Path:
        draft = self.folder / f"draft-{name}"
        if backend.rank == 0:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
        backend.wait()
        return draft


def rename_whole(draft: Path, target: Path) -> None:
    """Flush a folder to disk, then rename it: after a crash the target is complete or absent."""
    for path in [*draft.rglob("*"), draft]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    os.replace(draft, target)


def _link(source: str, target: str) -> None:
    """Make a hard link, or a copy where the file system does not support hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _words(kind: dict[str, Any]) -> str:
    """Return a description of a backend for messages."""
    if kind["name"] == "plain":
        return "one process without DeepSpeed"
    count = f"{kind['processes']} process{'es' if kind['processes'] > 1 else ''}"
    return f"{count} with DeepSpeed's ZeRO stage {kind['zero_stage']}"
