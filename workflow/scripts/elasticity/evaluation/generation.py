"""Generation of responses: sampled continuations of prompts.

With transformers the response to a prompt does not depend on the other prompts of its batch.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.sampling import EngineName, Sampling
from elasticity.config.templates import Template
from elasticity.core.errors import UserError
from elasticity.data.chat_templates import context
from elasticity.evaluation.contrastive_decoding import contrasted
from elasticity.evaluation.decoding import Decoder
from elasticity.evaluation.drawing import draw, uniform_numbers
from elasticity.evaluation.passes import measuring
from elasticity.models.loading import load_for_measuring
from elasticity.models.stop_tokens import stop_tokens
from elasticity.models.tokenizer import decode, never_drawn

SHRINK = 0.9
"""Finished rows leave the batch when at most this share of it is unfinished, because each time the cache is copied."""


class Engine(Protocol):
    """Draws tokens from one model, until one of its stop tokens."""

    stops: frozenset[int]

    def draw(self, contexts: list[list[int]], prompt_ids: list[str], sampling: Sampling) -> list[list[int]]:
        """Return the sampled tokens for each context, up to and including a stop token; nothing precedes a context."""


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
        stop = response_tokens[-1] if response_tokens and response_tokens[-1] in engine.stops else None
        kept = response_tokens if stop is None else response_tokens[:-1]
        rows.append(
            {
                "prompt_id": row["prompt_id"],
                "prompt": row["prompt"],
                "response": decode(tokenizer, kept),
                "prompt_tokens": prompt_tokens,
                "response_tokens": kept,
                "stop_token": stop,
            }
        )
    return rows


@contextmanager
def load_engine(name: EngineName, folder: Path, tokenizer: PreTrainedTokenizerFast) -> Iterator[Engine]:
    """Load the model of a folder on this process's device, ready to draw, and free its memory at the end.

    Raises ``UserError`` if the weights are not those that were saved: see ``models.loading.check_probe``.
    """
    if name == "transformers":
        plain = TransformersEngine(load_for_measuring(folder), tokenizer)
        try:
            yield plain
        finally:
            del plain.model  # the caller still refers to the engine while the next models are loaded
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

    ``weak`` is the weak model for sampling with ``contrast``, which has the same tokenizer and gives one strength. The
    model may be in training: drawing leaves its mode, weights and settings as they are. Of the generation settings of
    its folder only the stop tokens are read: there may be penalties that are not in the study.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, weak: PreTrainedModel | None = None
    ) -> None:
        self.model, self.tokenizer, self.weak = model, tokenizer, weak
        self.stops = stop_tokens(model.generation_config, tokenizer)
        self.banned = torch.tensor(never_drawn(tokenizer, model.config.vocab_size, self.stops), dtype=torch.long)

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
        models, contrast = [self.model], sampling.contrast
        if contrast:
            assert self.weak is not None, "contrastive decoding needs a weak model"
            (strength,) = contrast.strengths
            models.append(self.weak)
        device, stops = self.model.device, self.stops
        responses = list[list[int]]([] for _ in contexts)
        open_rows = list(range(len(contexts)))  # the prompt of each row that is still in the batch
        uniforms = uniform_numbers(prompt_ids, sampling).to(device)
        with measuring(*models):
            decoders = [Decoder(model, contexts, self.tokenizer.pad_token_id, sampling.new_tokens) for model in models]
            for step in range(sampling.new_tokens):
                scores, *weak = (decoder.logits() for decoder in decoders)
                scores.index_fill_(1, self.banned.to(device), -torch.inf)
                if contrast:
                    scores = contrasted(scores, weak[0], strength, contrast.threshold)
                tokens = draw(scores, uniforms[:, step], sampling)
                for row, token in zip(open_rows, tokens.tolist(), strict=True):
                    if not responses[row] or responses[row][-1] not in stops:
                        responses[row].append(token)
                unfinished = [place for place, row in enumerate(open_rows) if responses[row][-1] not in stops]
                if not unfinished:
                    break
                for decoder in decoders:
                    decoder.append(tokens)
                if len(unfinished) <= SHRINK * len(open_rows):
                    kept = torch.tensor(unfinished, device=device)
                    uniforms = uniforms[kept]
                    open_rows = [open_rows[place] for place in unfinished]
                    for decoder in decoders:
                        decoder.keep(kept)
        return responses
