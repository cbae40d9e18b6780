"""Training state that survives a kill: folders published by an atomic rename, the manifest written last."""

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel


@dataclass
class Progress:
    """How far a run is: the number of updates done, and a row of the table of losses for each."""

    update: int = 0
    losses: list[dict[str, Any]] = field(default_factory=list)


class StateFolder:
    """The published states and rungs of one run, in a folder named after the digest of all that determines it.

    It lies outside the outputs that the workflow declares, because Snakemake deletes those before each attempt.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rungs = folder / "rungs"
        self.rungs.mkdir(parents=True, exist_ok=True)

    def publish(self, model: PreTrainedModel, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Save a state, then remove those before it."""
        name = f"update-{progress.update:08d}"
        draft = self._draft(name)
        tensors, scalars = _flat(optimizer)
        weights = {key: value.contiguous() for key, value in _parameters(model).items()}
        save_file(weights, draft / "model.safetensors")
        save_file(tensors, draft / "optimizer.safetensors")
        manifest = {"progress": asdict(progress), "optimizer": scalars}
        (draft / "manifest.json").write_text(json.dumps(manifest))
        self._rename(draft, self.folder / name)
        for older in self._published()[:-1]:
            shutil.rmtree(older)

    def resume(self, model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> Progress:
        """Load the last published state into model and optimizer; a fresh ``Progress`` if there is none."""
        published = self._published()
        if not published:
            return Progress()
        manifest = json.loads((published[-1] / "manifest.json").read_text())
        with torch.no_grad():
            for name, value in load_file(published[-1] / "model.safetensors").items():
                _parameters(model)[name].copy_(value)
        _restore(optimizer, load_file(published[-1] / "optimizer.safetensors"), manifest["optimizer"])
        return Progress(**manifest["progress"])

    def has_rung(self, name: str) -> bool:
        """Whether a rung is there already, from before a kill."""
        return (self.rungs / name).is_dir()

    def draft_rung(self, name: str) -> Path:
        """An empty folder to write a rung into; ``publish_rung`` makes it count."""
        return self._draft(f"rung-{name}")

    def publish_rung(self, name: str) -> None:
        """Make a written rung count."""
        self._rename(self.folder / f"draft-rung-{name}", self.rungs / name)

    def hand_over(self, target: Path) -> None:
        """Link the rungs of the finished run into the declared output; the state stays until ``remove``."""
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.rungs, target, copy_function=_link)

    def remove(self) -> None:
        """Forget a run once all its outputs are written."""
        shutil.rmtree(self.folder)

    def _published(self) -> list[Path]:
        return sorted(self.folder.glob("update-*"))

    def _draft(self, name: str) -> Path:
        draft = self.folder / f"draft-{name}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        return draft

    def _rename(self, draft: Path, target: Path) -> None:
        """Flush to disk, then rename: after a crash the target is whole or absent."""
        for path in [*(p for p in draft.rglob("*") if p.is_file()), draft]:
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        os.replace(draft, target)


def _link(source: str, target: str) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _parameters(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Each parameter once: tied weights share one entry."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def _flat(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], list[Any]]:
    """The optimizer's state as named tensors, and its parameter groups."""
    state = optimizer.state_dict()
    tensors = {f"{index}.{key}": value for index, entry in state["state"].items() for key, value in entry.items()}
    return tensors, state["param_groups"]


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], groups: list[Any]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": groups})
