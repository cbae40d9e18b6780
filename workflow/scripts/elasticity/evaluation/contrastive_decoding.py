"""EpiCoDe's contrastive decoding (paper D): the difference between a strong and a weak model's logits is enlarged."""

import math
from pathlib import Path

import torch
from transformers import DynamicCache, LogitsProcessor, PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.sampling import Contrast
from elasticity.core.errors import UserError
from elasticity.models.loading import load_for_measuring
from elasticity.models.tokenizer import load_tokenizer


def load_weak(folder: Path, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """The weak model of a folder, on this process's device.

    Raises ``UserError`` if its tokens are not those of the strong model.
    """
    if load_tokenizer(folder).get_vocab() != tokenizer.get_vocab():
        raise UserError(
            f"contrast.weak: the model in {folder} has other tokens than the model that draws, so their logits cannot "
            "be compared: name a model with the same tokenizer, such as the base model itself"
        )
    model = load_for_measuring(folder)
    model.eval()
    return model


class Contrasting(LogitsProcessor):
    """L + strength (L − L_weak) over the tokens that the strong model finds likely enough, minus infinity elsewhere.

    L are raw logits. Log-probabilities would give the same responses: they differ by one number for all tokens of a step,
    which no softmax, top-k or top-p sees. A token is likely enough if its probability is at least ``threshold`` times
    that of the likeliest, at temperature 1. Tokens that are never drawn (already at minus infinity) do not count.

    The weak model reads what the strong one draws, with keys and values of its own: one object serves one batch.
    ``attention``, of shape (prompts, tokens), is zero at the padding on the left.
    """

    def __init__(self, weak: PreTrainedModel, attention: torch.Tensor, contrast: Contrast) -> None:
        self.weak, self.attention, self.contrast = weak, attention, contrast
        self.cache = DynamicCache(config=weak.config)
        self.seen = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """``input_ids``: (prompts, tokens so far), ``scores``: (prompts, vocabulary) logits of the strong model."""
        weak = self._weak_logits(input_ids)
        unlikely = scores < scores.max(-1, keepdim=True).values + math.log(self.contrast.threshold)
        return (scores + self.contrast.strength * (scores - weak)).masked_fill(unlikely, -torch.inf)

    def _weak_logits(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Of the next token; only tokens that are new since the last call are computed."""
        drawn = input_ids.shape[1] - self.attention.shape[1]
        attention = torch.nn.functional.pad(self.attention, (0, drawn), value=1)
        positions = (attention.cumsum(-1) - 1).clamp(min=0)
        output = self.weak(
            input_ids=input_ids[:, self.seen :],
            attention_mask=attention,
            position_ids=positions[:, self.seen :],
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.seen = input_ids.shape[1]
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits
