"""Generation of responses: sampled continuations of prompts.

With transformers the response to a prompt does not depend on the other prompts of its batch.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

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

from elasticity.config.data import Template
from elasticity.config.sampling import EngineName, Sampling
from elasticity.core.errors import UserError
from elasticity.data.chat_templates import context
from elasticity.evaluation.contrastive_decoding import Contrasting, load_weak
from elasticity.models.loading import load_for_measuring
from elasticity.models.tokenizer import decode, never_drawn


class Engine(Protocol):
    """Draws tokens from one model."""

    def draw(self, contexts: list[list[int]], prompt_ids: list[str], sampling: Sampling) -> list[list[int]]:
        """Return the sampled tokens for each context, up to and including the EOS token; nothing precedes a context."""


def generate(
    engine: Engine,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[dict[str, Any]],
    sampling: Sampling,
    template: Template,
) -> list[dict[str, Any]]:
    """Return one response to each prompt, in the order of the prompts.

    Prompts are rows with ``prompt_id`` and ``prompt``; the results have the columns of a response in schema
    ``RESPONSES``. Raises ``UserError`` for an empty prompt if the tokenizer has no BOS token, as there is no context
    then.
    """
    contexts = context(tokenizer, template, [row["prompt"] for row in prompts])
    for row, tokens in zip(prompts, contexts, strict=True):
        if not tokens:
            raise UserError(
                f"prompt {row['prompt_id']} is empty, and this model has no BOS token to start from: leave it out"
            )
    drawn = engine.draw(contexts, [row["prompt_id"] for row in prompts], sampling)
    rows = []
    for row, prompt_tokens, response_tokens in zip(prompts, contexts, drawn, strict=True):
        finished = response_tokens[-1:] == [tokenizer.eos_token_id]
        kept = response_tokens[:-1] if finished else response_tokens
        rows.append(
            {
                "prompt_id": row["prompt_id"],
                "prompt": row["prompt"],
                "response": decode(tokenizer, kept),
                "prompt_tokens": prompt_tokens,
                "response_tokens": kept,
                "finished": finished,
            }
        )
    return rows


@contextmanager
def load_engine(
    name: EngineName, folder: Path, tokenizer: PreTrainedTokenizerFast, weak: Path | None = None
) -> Iterator[Engine]:
    """Load the model of a folder on this process's device, ready to draw, and free its memory at the end.

    ``weak`` is the folder of the weak model of contrastive decoding.

    Raises ``UserError`` if the weights are not those that were saved: see ``models.loading.check_probe``.
    """
    if name == "transformers":
        plain = TransformersEngine(load_for_measuring(folder), tokenizer, load_weak(weak, tokenizer) if weak else None)
        try:
            yield plain
        finally:
            del plain.model, plain.weak  # the caller still refers to the engine while the next models are loaded
        return
    from elasticity.evaluation.vllm_engine import VllmEngine, import_vllm

    engine = VllmEngine(import_vllm(), folder, tokenizer)
    try:
        engine.check(folder)
        yield engine
    finally:
        engine.close()


class TransformersEngine:
    """Draws with transformers, in batches of prompts of similar length, padded on the left.

    ``weak`` is the weak model for sampling with ``contrast``.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, weak: PreTrainedModel | None = None
    ) -> None:
        self.model, self.tokenizer, self.weak = model, tokenizer, weak
        self.banned = never_drawn(tokenizer, model.config.vocab_size)
        model.eval()
        model.generation_config = GenerationConfig()  # that of the folder may hold penalties that are not in the study

    def draw(self, contexts: list[list[int]], prompt_ids: list[str], sampling: Sampling) -> list[list[int]]:
        """Draw in batches, see ``Engine``; batches are halved, with the same responses, if the GPU runs out of memory.

        Raises ``UserError`` if memory does not suffice for one prompt.
        """
        order = sorted(range(len(contexts)), key=lambda i: (len(contexts[i]), prompt_ids[i]))
        drawn: dict[int, list[int]] = {}
        size = sampling.batch_size
        while len(drawn) < len(order):
            places = order[len(drawn) : len(drawn) + size]
            try:
                batch = self._draw_batch([contexts[i] for i in places], [prompt_ids[i] for i in places], sampling)
            except torch.OutOfMemoryError:
                size = len(places) // 2
                if size == 0:
                    raise UserError(
                        "out of memory with one prompt at a time: use GPUs with more memory, or lower new_tokens"
                    ) from None
                continue
            drawn.update(zip(places, batch, strict=True))
        return [drawn[i] for i in range(len(contexts))]

    def _draw_batch(self, contexts: list[list[int]], prompt_ids: list[str], sampling: Sampling) -> list[list[int]]:
        eos, pad = self.tokenizer.eos_token_id, self.tokenizer.pad_token_id
        width = max(map(len, contexts))
        tokens = torch.full((len(contexts), width), pad)
        attention = torch.zeros_like(tokens)
        for i, context_tokens in enumerate(contexts):
            tokens[i, width - len(context_tokens) :] = torch.tensor(context_tokens)
            attention[i, width - len(context_tokens) :] = 1
        tokens, attention = tokens.to(self.model.device), attention.to(self.model.device)
        processors = _processors(prompt_ids, width, sampling, self.banned)
        if sampling.contrast:
            assert self.weak is not None, "contrastive decoding needs a weak model"
            processors.insert(1, Contrasting(self.weak, attention, sampling.contrast))  # after the ban
        with torch.inference_mode():
            output: torch.Tensor = self.model.generate(  # type: ignore[operator]
                input_ids=tokens,
                attention_mask=attention,
                logits_processor=processors,
                max_new_tokens=sampling.new_tokens,
                do_sample=False,
                pad_token_id=pad,
                eos_token_id=eos,
            )
        return [_until(row, eos) for row in output[:, width:].tolist()]


def _until(tokens: list[int], end: int) -> list[int]:
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens


def _processors(prompt_ids: list[str], width: int, sampling: Sampling, banned: list[int]) -> LogitsProcessorList:
    """Return the processors: banned tokens, temperature, top-k and top-p, then the draw."""
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
    """Sets the logits of tokens that are never drawn to minus infinity."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens = tokens

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores.index_fill(1, torch.tensor(self.tokens, dtype=torch.long, device=scores.device), -torch.inf)


class InverseCdf(LogitsProcessor):
    """Draws by inverting the cumulative distribution at a uniform number that depends on (seed, prompt, step) only.

    The sampling of transformers takes random numbers in the order of the batch, so responses would depend on the batch
    size. Here each prompt has its own numbers: cells differ by their models only, and responses do not depend on how
    prompts are batched. The drawn token gets logit 0 and all others minus infinity, so greedy decoding takes it.
    """

    def __init__(self, prompt_ids: list[str], width: int, sampling: Sampling) -> None:
        self.width = width
        self.uniforms = torch.from_numpy(
            np.stack([_uniforms(sampling.key(prompt_id), sampling.new_tokens) for prompt_id in prompt_ids])
        )

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Draw a token for each prompt; ``input_ids``: (prompts, tokens so far), ``scores``: (prompts, vocabulary)."""
        cumulative = scores.double().softmax(-1).cumsum(-1)
        uniforms = self.uniforms[:, input_ids.shape[1] - self.width, None].to(scores.device)
        threshold = uniforms * cumulative[:, -1:]
        drawn = (cumulative <= threshold).sum(-1, keepdim=True)
        return torch.full_like(scores, -torch.inf).scatter(1, drawn, 0.0)


def _uniforms(key: int, steps: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return uniform numbers in [0, 1), one for each step."""
    return np.random.Generator(np.random.Philox(key=key)).random(steps)
