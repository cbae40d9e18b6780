"""Training examples: token ids with the place where the targets begin, in an order given by the seed."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from transformers import PreTrainedTokenizerFast

from elasticity.config.data import Template
from elasticity.config.models import Pretrained
from elasticity.core.errors import UserError
from elasticity.data.chat_templates import context
from elasticity.data.schemas import text_of
from elasticity.models.tokenizer import beginning, encode

Item = TypeVar("Item")


IGNORED = -100
"""The label of tokens without loss (convention of torch's cross-entropy)."""


@dataclass(frozen=True)
class Example:
    """Token ids of one sequence; tokens from ``response_start`` on are targets, those before are context only.

    ``identity`` says where it comes from, for messages.
    """

    tokens: list[int]
    response_start: int
    identity: str = ""


@dataclass(frozen=True)
class Batch:
    """Padded examples, tensors of shape (examples, tokens); ``labels`` are the tokens or ``IGNORED``."""

    tokens: torch.Tensor
    attention: torch.Tensor
    labels: torch.Tensor
    identities: tuple[str, ...] = ()

    @property
    def targets(self) -> int:
        """The number of tokens that bear a loss."""
        return int((self.labels[:, 1:] != IGNORED).sum())

    def rows(self, first: int, last: int) -> "Batch":
        """Some of the examples."""
        part = slice(first, last)
        return Batch(self.tokens[part], self.attention[part], self.labels[part], self.identities[part])

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return Batch(self.tokens.to(device), self.attention.to(device), self.labels.to(device), self.identities)


def training_examples(
    rows: Iterable[Mapping[str, Any]], tokenizer: PreTrainedTokenizerFast, template: Template, max_length: int
) -> list[Example]:
    """Rows of schema ``EXAMPLES``: the targets are the response and the EOS token, up to ``max_length`` tokens.

    All tokens of a plain text are targets but the first, which is context: the BOS token if there is one.
    Raises ``UserError`` if the prompt leaves no room for a target.
    """
    rows = list(rows)
    contexts = context(tokenizer, template, [row["prompt"] for row in rows])
    if template == "plain":
        responses = _continuations(rows, contexts, tokenizer, max_length)
    else:  # encoded apart from the prompt, so that the context is the same when responses are drawn
        responses = encode(tokenizer, [row["response"] for row in rows], max_length)
    return [
        _example(row["id"], before, [*response, tokenizer.eos_token_id], max_length)
        for row, before, response in zip(rows, contexts, responses, strict=True)
    ]


def _continuations(
    rows: Sequence[Mapping[str, Any]],
    contexts: Sequence[list[int]],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
) -> list[list[int]]:
    """What follows a prompt in the tokens of the whole text; these hardly ever do not begin with the prompt's."""
    prompts = [tokens[len(beginning(tokenizer)) :] for tokens in contexts]
    longest = max_length + max(map(len, prompts), default=0)
    texts = encode(tokenizer, [text_of(row) for row in rows], longest)
    return [
        text[len(prompt) :] if text[: len(prompt)] == prompt else encode(tokenizer, [row["response"]], max_length)[0]
        for row, text, prompt in zip(rows, texts, prompts, strict=True)
    ]


def response_examples(
    rows: Iterable[Mapping[str, Any]], tokenizer: PreTrainedTokenizerFast, max_length: int
) -> list[Example]:
    """Prompts with responses, by the tokens that were drawn: the targets are the response and, if it ended, the EOS token.

    Raises ``UserError`` if the prompt leaves no room for a target.
    """
    return [
        _example(
            row["prompt_id"],
            row["prompt_tokens"],
            [*row["response_tokens"], *([tokenizer.eos_token_id] if row["finished"] else [])],
            max_length,
        )
        for row in rows
    ]


def _example(identity: str, before: list[int], targets: list[int], max_length: int) -> Example:
    """Context and targets, cut to ``max_length``; without a context the first token is one."""
    tokens, response_start = [*before, *targets][:max_length], max(1, len(before))
    if len(tokens) <= response_start:
        raise UserError(
            f"example {identity} has no target token: its prompt takes {len(before)} of max_length {max_length} and "
            f"its response has {len(targets)}: raise max_length, or lower prompts.max_tokens of the task, so that the "
            "example is left out"
        )
    return Example(tokens, response_start, identity)


def blocks(texts: list[str], tokenizer: PreTrainedTokenizerFast, length: int) -> list[Example]:
    """Pre-training sequences: texts joined by end and beginning tokens, cut into blocks of one length."""
    start, stream = beginning(tokenizer), list[int]()
    for tokens in encode(tokenizer, texts):
        stream += [*start, *tokens, tokenizer.eos_token_id]
    starts = range(0, len(stream) - length + 1, length)
    return [Example(stream[i : i + length], 1, f"sequence {i // length}") for i in starts]


def pretraining_sequences(
    model: Pretrained, tokenizer: PreTrainedTokenizerFast, texts: Sequence[Mapping[str, Any]]
) -> list[Example]:
    """The sequences that a model is pre-trained on, in their order, of texts of schema ``EXAMPLES``.

    Raises ``UserError`` if there are fewer than its updates take.
    """
    order = shuffled([row["id"] for row in texts], model.seed)
    sequences = blocks([text_of(texts[i]) for i in order], tokenizer, model.context)
    wanted = model.updates * model.optimization.batch_size
    if len(sequences) < wanted:
        raise UserError(
            f"pre-training takes {wanted} sequences of {model.context} tokens, but the split holds {len(sequences)}: "
            "enlarge splits.pretraining, or lower updates or batch_size"
        )
    return sequences[:wanted]


def shuffled(identities: Sequence[str], seed: int | str) -> list[int]:
    """Places of the items in an order that depends on the seed and on each item alone, not on its neighbours.

    Prefixes of this order are the nested subsets of a run.
    """
    return sorted(range(len(identities)), key=lambda i: hashlib.sha256(f"{seed}:{identities[i]}".encode()).digest())


def epochs(examples: Sequence[Item], identities: Sequence[str], count: int, seed: int) -> list[Item]:
    """The examples as given, then again in a new order for each further epoch."""
    repeated = list(examples)
    for epoch in range(1, count):
        repeated += [examples[i] for i in shuffled(identities, f"{seed}:{epoch}")]
    return repeated


def batched(examples: Sequence[Example], batch_size: int, pad: int) -> list[Batch]:
    """Successive batches; the last one may be smaller."""
    return [collate(examples[i : i + batch_size], pad) for i in range(0, len(examples), batch_size)]


def collate(examples: Sequence[Example], pad: int) -> Batch:
    """Pad on the right to the longest example."""
    width = max(len(example.tokens) for example in examples)
    tokens = torch.full((len(examples), width), pad)
    attention = torch.zeros((len(examples), width), dtype=torch.long)
    labels = torch.full((len(examples), width), IGNORED)
    for i, example in enumerate(examples):
        length = len(example.tokens)
        tokens[i, :length] = torch.tensor(example.tokens)
        attention[i, :length] = 1
        labels[i, example.response_start : length] = tokens[i, example.response_start : length]
    return Batch(tokens, attention, labels, tuple(example.identity for example in examples))


def micro_batches(batch: Batch, size: int, rank: int = 0, processes: int = 1, group: int = 1) -> list[Batch]:
    """What one of several processes computes of a batch: parts of at most ``size`` rows, or one undivided group.

    Every process gets as many parts as the others, because they wait for each other in every forward pass; where
    examples run out the part is one group without targets, whose gradient is zero.
    """
    size = group * max(1, size // group)
    parts = [batch.rows(i, i + size) for i in range(0, len(batch.tokens), size)]
    one = batch.rows(0, group)
    empty = Batch(one.tokens, one.attention, torch.full_like(one.labels, IGNORED), one.identities)
    parts += [empty] * (-len(parts) % processes)
    return parts[rank::processes]
