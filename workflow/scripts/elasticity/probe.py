"""A known sequence whose log-probability is saved with a model, so that stale weights are noticed."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from elasticity.errors import UserError

LENGTH = 16
FILE = "probe.json"

TOLERANCE_NATS = 1e-3
"""fp32 on two kinds of devices differs by about 1e-4 over the whole sequence; one update at 1e-5 changes more."""


def tokens_of(vocabulary: int) -> list[int]:
    """Tokens spread over the vocabulary."""
    return [vocabulary * number // LENGTH for number in range(LENGTH)]


def probe_nats(model: Callable[..., object], vocabulary: int, place: torch.device) -> float:
    """−log p of the sequence in fp32. ``model`` maps ``input_ids`` of shape (1, tokens) to an output with logits."""
    tokens = torch.tensor([tokens_of(vocabulary)], device=place)
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=tokens, use_cache=False).logits  # type: ignore[attr-defined]
    return functional.cross_entropy(logits[0, :-1].double(), tokens[0, 1:], reduction="sum").item()


def write_probe(folder: Path, nats: float) -> None:
    """Beside the weights."""
    (folder / FILE).write_text(json.dumps({"nats": nats}) + "\n")


def check_probe(folder: Path, nats: float) -> None:
    """Compare with what was saved, if anything was.

    Raises ``UserError`` if the model in memory is not the one that was saved in the folder.
    """
    if not (folder / FILE).exists():
        return
    saved = json.loads((folder / FILE).read_text())["nats"]
    if not abs(nats - saved) <= TOLERANCE_NATS:
        raise UserError(
            f"the weights in memory are not those that were saved in {folder}: −log p of a known sequence is "
            f"{nats:.4f} nats instead of {saved:.4f}. Were files of the folder replaced? Delete it and run again."
        )
