"""Training examples: token ids with the position of the first target, their order by seed, and their batches."""

import bisect
import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from transformers import PreTrainedTokenizerFast

from elasticity.config.base import Side
from elasticity.config.models import Pretrained
from elasticity.config.templates import Answers, Template
from elasticity.core.errors import UserError
from elasticity.data.chat_templates import context, earlier_answers, end
from elasticity.data.schemas import text_of
from elasticity.models.tokenizer import beginning, encode

Item = TypeVar("Item")


Row = Mapping[str, Any]
"""A row of a table."""


IGNORED = -100
"""The label of tokens without loss, as in ``torch.nn.functional.cross_entropy``."""


@dataclass(frozen=True)
class Example:
    """Token ids of one sequence. Tokens from position ``response_start`` on are targets, those before it are context.

    ``identity`` names the example in error messages. ``gaps`` are further parts that are context, each from a position
    to before another one: the questions between the answers of a conversation, if all answers are targets.
    """

    tokens: list[int]
    response_start: int
    identity: str = ""
    gaps: tuple[tuple[int, int], ...] = ()

    @property
    def targets(self) -> int:
        """The number of tokens with a loss."""
        length = len(self.tokens)
        gaps = sum(min(last, length) - min(first, length) for first, last in self.gaps)
        return length - self.response_start - gaps


@dataclass(frozen=True)
class Batch:
    """Padded examples as tensors of shape (examples, tokens). ``labels`` are token ids, or ``IGNORED``."""

    tokens: torch.Tensor
    attention: torch.Tensor
    labels: torch.Tensor
    identities: tuple[str, ...] = ()

    @property
    def targets(self) -> int:
        """The number of tokens with a loss."""
        return int((self.labels[:, 1:] != IGNORED).sum())

    def rows(self, first: int, last: int) -> "Batch":
        """The examples from position ``first`` to before ``last``."""
        part = slice(first, last)
        return Batch(self.tokens[part], self.attention[part], self.labels[part], self.identities[part])

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return Batch(self.tokens.to(device), self.attention.to(device), self.labels.to(device), self.identities)


def training_examples(
    rows: Iterable[Mapping[str, Any]],
    tokenizer: PreTrainedTokenizerFast,
    template: Template,
    max_length: int,
    answers: Answers = "last",
) -> list[Example]:
    """Examples from rows of schema ``EXAMPLES``, cut to ``max_length`` tokens.

    The targets are the tokens of the response and of its end: the EOS token, or what the chat template puts there. With
    ``answers`` all, those of the answers in the prompt are targets, too. All tokens of a plain text are targets except
    for the first, which is context: the BOS token if the tokenizer has one.

    Raises ``UserError`` if the prompt leaves no room for a target, or if the template renders answers in prompts in
    another way than responses.
    """
    rows = list(rows)
    contexts = context(tokenizer, template, [row["prompt"] for row in rows])
    closing, stop = end(tokenizer, template)
    if template == "plain":
        responses = _continuations(rows, contexts, tokenizer, max_length)
    else:  # encoded separately, so that the context is the same in training and in generation
        responses = encode(tokenizer, [row["response"] + closing for row in rows], max_length)
    earlier = [
        earlier_answers(tokenizer, template, row["prompt"], before) if answers == "all" else []
        for row, before in zip(rows, contexts, strict=True)
    ]
    return [
        _example(row["id"], before, [*response, stop], max_length, spans)
        for row, before, response, spans in zip(rows, contexts, responses, earlier, strict=True)
    ]


def _continuations(
    rows: Sequence[Mapping[str, Any]],
    contexts: Sequence[list[int]],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
) -> list[list[int]]:
    """The tokens that follow the prompt's in the tokens of prompt and response as one text.

    In the rare case that the tokens of the text do not begin with those of the prompt, the response is encoded alone.
    """
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
    """Examples from generated responses, with exactly the tokens that the model sampled.

    The targets are the tokens of the response and, if the model ended it, its stop token.

    Raises ``UserError`` if the prompt leaves no room for a target.
    """
    return [
        _example(
            row["prompt_id"],
            row["prompt_tokens"],
            [*row["response_tokens"], *([] if row["stop_token"] is None else [row["stop_token"]])],
            max_length,
        )
        for row in rows
    ]


def _example(
    identity: str, before: list[int], targets: list[int], max_length: int, earlier: Sequence[tuple[int, int]] = ()
) -> Example:
    """Example with context and targets, cut to ``max_length``; if the context is empty, the first target is context.

    ``earlier`` are the parts of the context that are targets, too, each from a position to before another one.
    """
    starts = [*(first for first, _ in earlier), len(before)]
    gaps = tuple((last, start) for (_, last), start in zip(earlier, starts[1:], strict=True))
    tokens, response_start = [*before, *targets][:max_length], max(1, starts[0])
    if len(tokens) <= response_start:
        raise UserError(
            f"example {identity} has no target token: its prompt takes {len(before)} of max_length {max_length} tokens "
            f"and its response has {len(targets)}. Raise max_length, or lower prompts.max_tokens of the task, so that "
            "the example is left out"
        )
    return Example(tokens, response_start, identity, gaps)


def blocks(texts: list[str], tokenizer: PreTrainedTokenizerFast, length: int) -> list[Example]:
    """Pre-training sequences: texts joined into one stream, cut into blocks of ``length`` tokens.

    Each text begins with a BOS token if the tokenizer adds one, and ends with an EOS token. An incomplete last block is
    left out.
    """
    start, stream = beginning(tokenizer), list[int]()
    for tokens in encode(tokenizer, texts):
        stream += [*start, *tokens, tokenizer.eos_token_id]
    starts = range(0, len(stream) - length + 1, length)
    return [Example(stream[i : i + length], 1, f"sequence {i // length}") for i in starts]


def pretraining_sequences(
    model: Pretrained, tokenizer: PreTrainedTokenizerFast, texts: Sequence[Mapping[str, Any]]
) -> list[Example]:
    """The sequences that a model is pre-trained on, in order, from texts as rows of schema ``EXAMPLES``.

    Raises ``UserError`` if the texts give fewer sequences than the updates of the model need.
    """
    order = [texts[i] for i in shuffled([row["id"] for row in texts], model.seed)]
    if model.mixture is not None:
        order = in_shares(order, model.mixture.shares)
    sequences = blocks([text_of(row) for row in order], tokenizer, model.context)
    wanted = model.updates * model.optimization.batch_size
    if len(sequences) < wanted:
        raise UserError(
            f"pre-training needs {wanted} sequences of {model.context} tokens, but the split holds {len(sequences)}"
            f"{' for this mixture' if model.mixture else ''}: enlarge splits.pretraining, or lower updates or "
            "batch_size"
        )
    return sequences[:wanted]


GOLDEN = (5**0.5 - 1) / 2
"""The fractional parts of its multiples are spread evenly over [0, 1): every beginning of a mixture has its shares."""


def in_shares(rows: Sequence[Row], shares: Mapping[Side, float]) -> list[Row]:
    """Texts in which each side has its share, in the order of ``rows``, which have schema ``EXAMPLES``.

    The n-th place belongs to the n-th text of each side, and the mixture takes one of them, so there are as many places
    as the rarest side has texts, whatever the shares are. Which side is taken depends on the place and the shares only,
    so a place has the same text in both wherever it has the same side in both.
    """
    of_side = [[row for row in rows if row["side"] == side] for side in shares]
    bounds = list(itertools.accumulate(shares.values()))[:-1]
    return [
        texts[bisect.bisect_right(bounds, place * GOLDEN % 1)]
        for place, texts in enumerate(zip(*of_side, strict=False))
    ]


def shuffled(identities: Sequence[str], seed: int | str) -> list[int]:
    """Indices of the items in a pseudo-random order that depends on the seed.

    The rank of an item depends on its own identity only, so adding items does not change the order of the others. The
    subsets of a run of several sizes are prefixes of this order.
    """
    return sorted(range(len(identities)), key=lambda i: hashlib.sha256(f"{seed}:{identities[i]}".encode()).digest())


def epochs(examples: Sequence[Item], identities: Sequence[str], count: int, seed: int, whole: int = 1) -> list[Item]:
    """The examples of ``count`` epochs: as given in the first, and in a new order in each further epoch.

    Each epoch ends early, at a multiple of ``whole`` examples.
    """
    kept = len(examples) - len(examples) % whole
    repeated = list(examples[:kept])
    for epoch in range(1, count):
        repeated += [examples[i] for i in shuffled(identities, f"{seed}:{epoch}")[:kept]]
    return repeated


def batched(examples: Sequence[Example], batch_size: int, pad: int) -> list[Batch]:
    """Successive batches of ``batch_size`` examples; the last one may be smaller."""
    return [collate(examples[i : i + batch_size], pad) for i in range(0, len(examples), batch_size)]


def collate(examples: Sequence[Example], pad: int) -> Batch:
    """Make a batch of examples, padded on the right with token ``pad`` to the longest of them."""
    width = max(len(example.tokens) for example in examples)
    tokens = torch.full((len(examples), width), pad)
    attention = torch.zeros((len(examples), width), dtype=torch.long)
    labels = torch.full((len(examples), width), IGNORED)
    for i, example in enumerate(examples):
        length = len(example.tokens)
        tokens[i, :length] = torch.tensor(example.tokens)
        attention[i, :length] = 1
        labels[i, example.response_start : length] = tokens[i, example.response_start : length]
        for first, last in example.gaps:
            labels[i, first:last] = IGNORED
    return Batch(tokens, attention, labels, tuple(example.identity for example in examples))


def micro_batches(batch: Batch, size: int, rank: int = 0, processes: int = 1, group: int = 1) -> list[Batch]:
    """The micro-batches that process ``rank`` of several computes in one batch.

    A micro-batch has at most ``size`` rows, but at least one ``group`` of rows, which is never divided. All processes
    get the same number of micro-batches, because they wait for each other in every forward pass; where the examples do
    not suffice, a micro-batch is one group without targets, whose gradient is zero.
    """
    size = group * max(1, size // group)
    parts = [batch.rows(i, i + size) for i in range(0, len(batch.tokens), size)]
    one = batch.rows(0, group)
    empty = Batch(one.tokens, one.attention, torch.full_like(one.labels, IGNORED), one.identities)
    parts += [empty] * (-len(parts) % processes)
    return parts[rank::processes]
