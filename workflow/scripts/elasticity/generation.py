"""Answers: sampled continuations, the same for a prompt whatever else is in its batch."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from elasticity.settings import Sampling
from elasticity.tokenization import decode, encode


def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[dict[str, Any]],
    sampling: Sampling,
) -> list[dict[str, Any]]:
    """One answer to each prompt, in the order of the prompts.

    Prompts are rows with ``prompt_id`` and ``prompt``; the results have the answer's columns of schema ``ANSWERS``.
    Batches hold prompts of like length, padded on the left.
    """
    tokens = encode(tokenizer, [row["prompt"] for row in prompts])
    order = sorted(range(len(prompts)), key=lambda i: (len(tokens[i]), prompts[i]["prompt_id"]))
    answers: dict[int, dict[str, Any]] = {}
    model.eval()
    model.generation_config = GenerationConfig()  # a folder's own may hold penalties that the study does not name
    for first in range(0, len(order), sampling.batch_size):
        places = order[first : first + sampling.batch_size]
        drawn = _draw(
            model, tokenizer, [tokens[i] for i in places], [prompts[i]["prompt_id"] for i in places], sampling
        )
        for i, answer_tokens in zip(places, drawn, strict=True):
            finished = answer_tokens[-1:] == [tokenizer.eos_token_id]
            kept = answer_tokens[:-1] if finished else answer_tokens
            answers[i] = {
                "prompt_id": prompts[i]["prompt_id"],
                "prompt": prompts[i]["prompt"],
                "answer": decode(tokenizer, kept),
                "prompt_tokens": tokens[i],
                "answer_tokens": kept,
                "finished": finished,
            }
    return [answers[i] for i in range(len(prompts))]


def _draw(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: list[list[int]],
    prompt_ids: list[str],
    sampling: Sampling,
) -> list[list[int]]:
    """Sampled tokens for one batch, up to and including the end token."""
    bos, eos, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    width = 1 + max(map(len, prompts))
    tokens = torch.full((len(prompts), width), pad)
    attention = torch.zeros_like(tokens)
    for i, prompt in enumerate(prompts):
        tokens[i, width - 1 - len(prompt) :] = torch.tensor([bos, *prompt])
        attention[i, width - 1 - len(prompt) :] = 1
    with torch.inference_mode():
        output: torch.Tensor = model.generate(  # type: ignore[operator]
            input_ids=tokens,
            attention_mask=attention,
            logits_processor=_processors(prompt_ids, width, sampling, banned=sorted({bos, pad} - {eos})),
            max_new_tokens=sampling.new_tokens,
            do_sample=False,
            pad_token_id=pad,
            eos_token_id=eos,
        )
    return [_until(row, eos) for row in output[:, width:].tolist()]


def _until(tokens: list[int], end: int) -> list[int]:
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens


def _processors(prompt_ids: list[str], width: int, sampling: Sampling, banned: list[int]) -> LogitsProcessorList:
    """Temperature, top-k and top-p of transformers, then the draw."""
    processors = LogitsProcessorList([_Ban(banned)])
    if sampling.temperature != 1:
        processors.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        processors.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        processors.append(TopPLogitsWarper(sampling.top_p))
    processors.append(InverseCdf(prompt_ids, width, sampling))
    return processors


class _Ban(LogitsProcessor):
    """Special tokens that no text contains are never drawn."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens = tokens

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores.index_fill(1, torch.tensor(self.tokens, dtype=torch.long), -torch.inf)


class InverseCdf(LogitsProcessor):
    """Draw by inverting the cumulative distribution at a uniform number that belongs to (seed, prompt, step).

    The library's own sampling takes its random numbers in the order of the batch, so answers would change with the
    batch size. Here each prompt has its numbers: cells differ by their models only, and answers do not depend on how
    prompts are batched. The drawn token gets logit 0 and all others minus infinity, so greedy decoding takes it.
    """

    def __init__(self, prompt_ids: list[str], width: int, sampling: Sampling) -> None:
        self.width = width
        self.uniforms = torch.from_numpy(
            np.stack([_uniforms(prompt_id, sampling.seed, sampling.new_tokens) for prompt_id in prompt_ids])
        )

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """``input_ids``: (prompts, tokens so far), ``scores``: (prompts, vocabulary) logits."""
        cumulative = scores.double().softmax(-1).cumsum(-1)
        threshold = self.uniforms[:, input_ids.shape[1] - self.width, None] * cumulative[:, -1:]
        drawn = (cumulative <= threshold).sum(-1, keepdim=True)
        return torch.full_like(scores, -torch.inf).scatter(1, drawn, 0.0)


def _uniforms(prompt_id: str, seed: int, steps: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers in [0, 1), one a step, from a generator keyed by seed and prompt."""
    key = int.from_bytes(hashlib.sha256(f"{seed}:{prompt_id}".encode()).digest()[:16], "big")
    return np.random.Generator(np.random.Philox(key=key)).random(steps)
