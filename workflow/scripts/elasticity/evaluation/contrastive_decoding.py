"""EpiCoDe's contrastive decoding (paper D): amplifies the difference between a strong and a weak model's logits."""

import math
from pathlib import Path

import torch
from transformers import DynamicCache, LogitsProcessor, PreTrainedModel, PreTrainedTokenizerFast

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


class Contrasting(LogitsProcessor):
    """Replaces logits L by L + strength (L − L_weak) for likely tokens, and by minus infinity for all others.

    L are raw logits. Log-probabilities would give the same responses: they differ by a constant for all tokens of a
    step, which does not affect softmax, top-k or top-p. A token is likely if its probability under the strong model at
    temperature 1 is at least ``threshold`` times that of the most likely token. Tokens that are never drawn (their
    logits are minus infinity already) do not count.

    The weak model reads the drawn tokens with a key-value cache of its own, so an instance serves one batch only.
    ``attention``, of shape (prompts, tokens), is zero at the padding on the left.
    """

    def __init__(self, weak: PreTrainedModel, attention: torch.Tensor, contrast: Contrast) -> None:
        self.weak, self.attention, self.contrast = weak, attention, contrast
        self.cache = DynamicCache(config=weak.config)
        self.seen = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the new logits, shape (prompts, vocabulary).

        ``input_ids`` has the shape (prompts, tokens so far); ``scores`` are the logits of the strong model.
        """
        weak = self._weak_logits(input_ids)
        unlikely = scores < scores.max(-1, keepdim=True).values + math.log(self.contrast.threshold)
        return (scores + self.contrast.strength * (scores - weak)).masked_fill(unlikely, -torch.inf)

    def _weak_logits(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return the weak model's logits of the next token; only tokens added since the last call are computed."""
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
