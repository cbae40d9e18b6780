"""EpiCoDe's contrastive decoding (paper D): amplifies the difference between a strong and a weak model's logits."""

import math
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.sampling import Contrast
from elasticity.core.errors import UserError
from elasticity.models.loading import load_for_measuring
from elasticity.models.tokenizer import load_tokenizer


def load_weak(folder: Path, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Return the weak model of a folder, on the device of this process.

    Raises ``UserError`` if its vocabulary is not that of the strong model, whose tokenizer is given.
    """
    if load_tokenizer(folder).get_vocab() != tokenizer.get_vocab():
        raise UserError(
            f"contrast.weak: the model in {folder} has other tokens than the model that draws, so their logits cannot "
            "be compared: name a model with the same tokenizer, such as the base model itself"
        )
    model = load_for_measuring(folder)
    model.eval()
    return model


def contrasted(strong: torch.Tensor, weak: torch.Tensor, contrast: Contrast) -> torch.Tensor:
    """Return logits L + strength (L − L_weak) for likely tokens, and minus infinity for all others.

    L are raw logits, of shape (prompts, vocabulary). Log-probabilities would give the same responses: they differ by a
    constant for all tokens of a step, which does not affect softmax, top-k or top-p. A token is likely if its
    probability under the strong model at temperature 1 is at least ``threshold`` times that of the most likely token.
    Tokens that are never drawn (their logits are minus infinity already) do not count.
    """
    unlikely = strong < strong.max(-1, keepdim=True).values + math.log(contrast.threshold)
    return (strong + contrast.strength * (strong - weak)).masked_fill(unlikely, -torch.inf)
