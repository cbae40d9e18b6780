"""Training state that survives a kill: folders with a manifest, published by an atomic rename."""

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from elasticity.core.errors import UserError
from elasticity.training.backends import Backend, OneProcess

OPTIMIZER_FOLDER = "optimizer"
"""Folder of the optimizer in a checkpoint; not beside the weights, because loaders read all safetensors there."""


@dataclass
class Progress:
    """Progress of a run: updates done, one row of the table of losses for each, seconds, and tokens with contexts."""

    update: int = 0
    losses: list[dict[str, Any]] = field(default_factory=list)
    wall_s: float = 0.0
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
        self.checkpoints.mkdir(parents=True, exist_ok=True)

    def publish(self, backend: Backend, progress: Progress) -> None:
        """Save a state, then remove the older ones."""
        name = f"update-{progress.update:08d}"
        draft = self._draft(name, backend)
        backend.save_state(draft)
        backend.wait()
        if backend.rank == 0:
            manifest = {"progress": asdict(progress), "backend": backend.kind}
            (draft / "manifest.json").write_text(json.dumps(manifest))
            rename_whole(draft, self.folder / name)
            for older in self._published()[:-1]:
                shutil.rmtree(older)

    def saved_by(self) -> dict[str, Any]:
        """Return the ``kind`` of the backend that saved the last state; empty if there is no state."""
        published = self._published()
        return json.loads((published[-1] / "manifest.json").read_text())["backend"] if published else {}

    def resume(self, backend: Backend) -> Progress:
        """Load the last published state and return its progress; a fresh ``Progress`` if there is no state.

        Raises ``UserError`` if this backend cannot load the state.
        """
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

    def hand_over(self, target: Path) -> None:
        """Link the checkpoints of the finished run into the declared output; the state stays until ``remove``.

        Checkpoints whose name begins with a dot are internal to the run and are left out.
        """
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.checkpoints, target, copy_function=_link, ignore=shutil.ignore_patterns(".*"))

    def remove(self) -> None:
        """Delete the state of a run whose outputs are all written."""
        shutil.rmtree(self.folder)

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
