"""EpiCoDe's contrastive decoding (paper D): amplifies the difference between a strong and a weak model's logits."""

import json
import math
from pathlib import Path

import torch

from elasticity.config.sampling import CHOICE, Contrast


def chosen_contrast(checkpoint: Path, contrast: Contrast) -> Contrast:
    """Return the contrast with the strength that the run of an alignment stage chose, if there are candidates."""
    if len(contrast.strengths) == 1:
        return contrast
    choice = json.loads((checkpoint / CHOICE).read_text())
    return contrast.model_copy(update={"strength": choice["strength"]})


def contrasted(strong: torch.Tensor, weak: torch.Tensor, strength: float, threshold: float) -> torch.Tensor:
    """Return logits L + strength (L − L_weak) for likely tokens, and minus infinity for all others.

    L are raw logits, of shape (prompts, vocabulary). Log-probabilities would give the same responses: they differ by a
    constant for all tokens of a step, which does not affect softmax, top-k or top-p. A token is likely if its
    probability under the strong model at temperature 1 is at least ``threshold`` times that of the most likely token.
    Tokens that are never drawn (their logits are minus infinity already) do not count.
    """
    unlikely = strong < strong.max(-1, keepdim=True).values + math.log(threshold)
    return (strong + strength * (strong - weak)).masked_fill(unlikely, -torch.inf)
