"""EpiCoDe's extrapolation of weights (paper D): weights are moved further in the direction of the later epochs.

A run with extrapolation saves two internal checkpoints of each size: the model after the first epoch and the final one.
Their names begin with a dot, which keeps them out of the declared output. The checkpoint of the size is made from them.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from elasticity.config.sampling import CHOICE, WEAK_FOLDER
from elasticity.config.training import FineTuning, Optimization
from elasticity.models.loading import load_model, probe_nats, write_probe
from elasticity.training.checkpoint import rename_whole

if TYPE_CHECKING:
    from elasticity.training.validation import Validation

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
        if not settings.extrapolates or size == 0:
            checkpoints[str(size)] = settings.updates(size)
        else:
            checkpoints[f"{EARLY}{size}"] = settings.first_epoch_updates(size)
            checkpoints[f"{TUNED}{size}"] = settings.updates(size)
    return checkpoints


def extrapolate_checkpoints(
    folder: Path, settings: Optimization, validation: "Validation | None" = None
) -> dict[str, dict[str, Any]]:
    """Make the checkpoint of each size for which ``folder`` holds the early and the final model, unless it exists.

    Of several candidates, the factor of extrapolation (μ) is taken with which the validation examples have the shortest
    code; then, with it, the strength of contrastive decoding (λ) with which their likely tokens have the shortest code.
    With contrastive decoding a checkpoint also holds the final model, as the weak one. A checkpoint is published by a
    rename and its sources are kept, so the same call continues after a kill.

    Returns the choices of each size: what was taken, and the code length in nats per token with each candidate.
    """
    if not isinstance(settings, FineTuning):
        return {}
    choices = {}
    for early in sorted(folder.glob(f"{EARLY}*")):
        size = early.name.removeprefix(EARLY)
        if not (folder / size).exists():
            unset_hf_deepspeed_config()  # training is over: after ZeRO-3 this process alone loads the whole model
            rename_whole(_extrapolated(folder, size, settings.extrapolations, validation), folder / size)
        if (choice := folder / size / CHOICE).exists():
            choices[size] = json.loads(choice.read_text())
    return choices


def _extrapolated(folder: Path, size: str, candidates: Sequence[float], validation: "Validation | None") -> Path:
    """Return a folder that holds the checkpoint of a size, in a draft."""
    choice: dict[str, Any] = {}
    mu, tuned = candidates[0], folder / f"{TUNED}{size}"
    if len(candidates) > 1:
        assert validation is not None, "a run with candidates needs validation examples"
        tried = {it: validation.code_length(load_model(_draft(folder, size, it))) for it in (0.0, *candidates)}
        mu = min(candidates, key=lambda it: tried[it])
        choice |= {"extrapolation": mu, "extrapolation_nats": {str(it): nats for it, nats in tried.items()}}
    draft = _draft(folder, size, mu)
    model = load_model(draft)
    write_probe(draft, probe_nats(model, model.config.vocab_size, torch.device("cpu")))
    if validation and validation.contrast:
        shutil.copytree(tuned, draft / WEAK_FOLDER)
        if len(validation.contrast.strengths) > 1:
            tried = validation.code_lengths_by_strength(model, load_model(tuned))
            strength = min(tried, key=lambda it: tried[it])
            choice |= {"strength": strength, "strength_nats": {str(it): nats for it, nats in tried.items()}}
    if choice:
        (draft / CHOICE).write_text(json.dumps(choice))
    return draft


def _draft(folder: Path, size: str, mu: float) -> Path:
    """Write the model that is extrapolated by ``mu`` and return its folder.

    The early and the final model are read one tensor at a time, so that little more than the new model is in memory.
    """
    draft = folder / f".draft-{size}"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(folder / f"{TUNED}{size}", draft)
    for path in draft.glob("*.safetensors"):
        _extrapolate_file(folder / f"{EARLY}{size}" / path.name, path, mu)
    return draft


def _extrapolate_file(early: Path, tuned: Path, mu: float) -> None:
    """Replace a file of the final model; the file of the same name of the early model holds the same tensors."""
    with safe_open(early, framework="pt") as before, safe_open(tuned, framework="pt") as after:
        weights = {
            name: extrapolate(before.get_tensor(name), after.get_tensor(name), mu)
            for name in after.keys()  # noqa: SIM118 (a file, not a mapping)
        }
    save_file(weights, tuned, {"format": "pt"})
