"""Training examples: token ids with the place where the targets begin, in an order given by the seed."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from elasticity.errors import UserError
from elasticity.tokenization import encode

IGNORED = -100
"""The label of tokens without loss (convention of torch's cross-entropy)."""


@dataclass(frozen=True)
class Example:
    """Token ids of one sequence; tokens from ``answer_start`` on are targets, those before are context only.

    ``identity`` says where it comes from, for messages.
    """

    tokens: list[int]
    answer_start: int
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


def text_examples(texts: list[str], tokenizer: PreTrainedTokenizerFast, max_length: int) -> list[Example]:
    """Plain texts: all tokens after the first (beginning of sequence) are targets, the end token included."""
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    return [Example([bos, *tokens, eos][:max_length], 1) for tokens in encode(tokenizer, texts)]


def answer_examples(
    rows: Iterable[dict[str, Any]], tokenizer: PreTrainedTokenizerFast, max_length: int
) -> list[Example]:
    """Prompts with answers, by the tokens that were drawn: the targets are the answer and, if it ended, the end token.

    Raises ``UserError`` if the prompt leaves no room for a target.
    """
    examples = []
    for row in rows:
        context = [tokenizer.bos_token_id, *row["prompt_tokens"]]
        end = [tokenizer.eos_token_id] if row["finished"] else []
        tokens = [*context, *row["answer_tokens"], *end][:max_length]
        if len(tokens) <= len(context):
            raise UserError(
                f"the example of prompt {row['prompt_id']} has no target token: its prompt takes {len(context)} of "
                f"max_length {max_length} and its answer has {len(row['answer_tokens'])}: raise max_length"
            )
        examples.append(Example(tokens, len(context)))
    return examples


def blocks(texts: list[str], tokenizer: PreTrainedTokenizerFast, length: int) -> list[Example]:
    """Pre-training sequences: texts joined by end and beginning tokens, cut into blocks of one length."""
    stream: list[int] = []
    for tokens in encode(tokenizer, texts):
        stream += [tokenizer.bos_token_id, *tokens, tokenizer.eos_token_id]
    starts = range(0, len(stream) - length + 1, length)
    return [Example(stream[i : i + length], 1, f"sequence {i // length}") for i in starts]


def shuffled(identities: Sequence[str], seed: int | str) -> list[int]:
    """Places of the items in an order that depends on the seed and on each item alone, not on its neighbours.

    Prefixes of this order are the nested subsets of a ladder.
    """
    return sorted(range(len(identities)), key=lambda i: hashlib.sha256(f"{seed}:{identities[i]}".encode()).digest())


def epochs(examples: list[Example], identities: list[str], count: int, seed: int) -> list[Example]:
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
        labels[i, example.answer_start : length] = tokens[i, example.answer_start : length]
    return Batch(tokens, attention, labels, tuple(example.identity for example in examples))


def micro_batches(batch: Batch, size: int, rank: int = 0, processes: int = 1) -> list[Batch]:
    """What one of several processes computes of a batch: parts of at most ``size`` examples.

    Every process gets as many parts as the others, because they wait for each other in every forward pass; where
    examples run out the part is one example without targets, whose gradient is zero.
    """
    parts = [batch.rows(i, i + size) for i in range(0, len(batch.tokens), size)]
    one = batch.rows(0, 1)
    empty = Batch(one.tokens, one.attention, torch.full_like(one.labels, IGNORED), one.identities)
    parts += [empty] * (-len(parts) % processes)
    return parts[rank::processes]
