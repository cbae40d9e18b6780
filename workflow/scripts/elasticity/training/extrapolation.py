"""EpiCoDe's extrapolation of weights (paper D): weights are moved further in the direction of the later epochs.

A run with extrapolation saves two internal checkpoints of each size: the model after the first epoch and the final one.
Their names begin with a dot, which keeps them out of the declared output. The checkpoint of the size is made from them.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from elasticity.config.training import FineTuning, Optimization
from elasticity.models.loading import load_model, probe_nats, write_probe
from elasticity.training.checkpoint import rename_whole

EARLY, TUNED = ".early-", ".tuned-"


def extrapolate(early: torch.Tensor, tuned: torch.Tensor, mu: float) -> torch.Tensor:
    """Return θ_ft + mu (θ_ft − θ_early), computed in fp64 and rounded once to the type of ``tuned``."""
    return (tuned.double() + mu * (tuned.double() - early.double())).to(tuned.dtype)


def is_internal(name: str) -> bool:
    """Return whether a checkpoint of this name is one that others are made from, and no output of its run."""
    return name.startswith(".")


def checkpoints_of_run(settings: FineTuning, sizes: Sequence[int]) -> dict[str, int]:
    """Map the names of the checkpoints of a run over ``sizes`` examples to the updates after which they are taken.

    With extrapolation these are the internal checkpoints that the checkpoint of a size is made from. Size 0 is the
    model as given and is not extrapolated.
    """
    checkpoints = {}
    for size in sizes:
        if settings.extrapolation == 0 or size == 0:
            checkpoints[str(size)] = settings.updates(size)
        else:
            checkpoints[f"{EARLY}{size}"] = settings.first_epoch_updates(size)
            checkpoints[f"{TUNED}{size}"] = settings.updates(size)
    return checkpoints


def extrapolate_checkpoints(folder: Path, settings: Optimization) -> None:
    """Make the checkpoint of each size for which ``folder`` holds the early and the final model, unless it exists.

    A checkpoint is published by a rename and its sources are kept, so the same call continues after a kill. The two
    models are read one tensor at a time, so that little more than the new model is in memory.
    """
    if not isinstance(settings, FineTuning):
        return
    for early in sorted(folder.glob(f"{EARLY}*")):
        size = early.name.removeprefix(EARLY)
        checkpoint, draft = folder / size, folder / f".draft-{size}"
        if checkpoint.exists():
            continue
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(folder / f"{TUNED}{size}", draft)
        for path in draft.glob("*.safetensors"):
            _extrapolate_file(early / path.name, path, settings.extrapolation)
        unset_hf_deepspeed_config()  # training is over: after ZeRO-3 this process alone loads the whole model
        model = load_model(draft)
        write_probe(draft, probe_nats(model, model.config.vocab_size, torch.device("cpu")))
        rename_whole(draft, checkpoint)


def _extrapolate_file(early: Path, tuned: Path, mu: float) -> None:
    """Replace a file of the final model; the file of the same name of the early model holds the same tensors."""
    with safe_open(early, framework="pt") as before, safe_open(tuned, framework="pt") as after:
        weights = {
            name: extrapolate(before.get_tensor(name), after.get_tensor(name), mu)
            for name in after.keys()  # noqa: SIM118 (a file, not a mapping)
        }
    save_file(weights, tuned, {"format": "pt"})
