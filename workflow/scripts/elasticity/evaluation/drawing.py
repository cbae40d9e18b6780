"""Draws of a token from logits: temperature, top-k and top-p, then the inverse of the cumulative distribution.

Each prompt has random numbers of its own, so that responses do not depend on how prompts are batched.
"""

from collections.abc import Sequence

import numpy as np
import torch

from elasticity.config.sampling import Sampling


def uniform_numbers(prompt_ids: Sequence[str], sampling: Sampling) -> torch.Tensor:
    """Return uniform numbers in [0, 1), shape (prompts, steps); they depend on (seed, prompt, step) only."""
    generators = [np.random.Generator(np.random.Philox(key=sampling.key(prompt_id))) for prompt_id in prompt_ids]
    return torch.from_numpy(np.stack([generator.random(sampling.new_tokens) for generator in generators]))


def draw(scores: torch.Tensor, uniforms: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Draw a token for each row, shape (rows,), from logits of shape (rows, vocabulary).

    Tokens are ordered by their number, and the cumulative distribution, in double precision, is inverted at
    ``uniforms``, of shape (rows,): the same number gives the same token whatever the other rows are. With top-k, all
    that follows works on k columns instead of the vocabulary.
    """
    if sampling.temperature != 1:
        scores = scores / sampling.temperature
    tokens = None
    if 0 < sampling.top_k < scores.shape[1]:
        scores, tokens = _likeliest(scores, sampling.top_k)
    if sampling.top_p < 1:
        scores = _nucleus(scores, sampling.top_p)
    cumulative = scores.double().softmax(1).cumsum(1)
    drawn = (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(1, keepdim=True)
    return (drawn if tokens is None else tokens.gather(1, drawn))[:, 0]


def _likeliest(scores: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the ``count`` highest logits of each row and their tokens, ordered by token.

    Tokens that are as likely as the last of them are kept, too: in rows with fewer of these, the further columns are
    minus infinity.
    """
    values, tokens = scores.topk(count, 1)
    last = values[:, -1:]
    most = int((scores >= last).sum(1).max())
    if most > count:
        values, tokens = scores.topk(most, 1)
        values = values.masked_fill(values < last, -torch.inf)
    tokens, order = tokens.sort(1)
    return values.gather(1, order), tokens


def _nucleus(scores: torch.Tensor, share: float) -> torch.Tensor:
    """Set all logits to minus infinity but the highest, whose total probability is at least ``share``."""
    ascending, order = scores.sort(dim=1, stable=True)
    unlikely = ascending.softmax(1).cumsum(1) <= 1 - share
    unlikely[:, -1] = False
    return scores.masked_fill(unlikely.scatter(1, order, unlikely), -torch.inf)
