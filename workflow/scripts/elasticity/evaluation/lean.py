"""Code lengths of the beginnings of held-out responses given their prompts, from which the lean is computed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.core.tables import read_rows
from elasticity.data.chat_templates import context
from elasticity.data.examples import Example, training_examples
from elasticity.data.schemas import EXAMPLES
from elasticity.evaluation.jobs import LeanReading
from elasticity.evaluation.likelihood import code_lengths
from elasticity.models.tokenizer import decode


@dataclass(frozen=True)
class Beginning:
    """The beginning of a held-out response of one side: its tokens are the targets of ``example``."""

    side: str
    example: Example
    utf8_bytes: int

    @property
    def tokens(self) -> int:
        """The number of tokens that are measured."""
        return len(self.example.tokens) - self.example.response_start


def beginnings(paths: Iterable[Path], tokenizer: PreTrainedTokenizerFast, reading: LeanReading) -> list[Beginning]:
    """Return the beginnings of the held-out examples in files of schema ``EXAMPLES``, or of a block of each.

    The EOS token counts as a token of a response that ends before the limit, and as no bytes.
    """
    first, last = (None, None) if reading.block is None else (reading.block, reading.block + 1)
    part = slice(*(None if it is None else it * reading.texts for it in (first, last)))
    rows = [row for path in paths for row in read_rows(path, EXAMPLES)[part]]
    longest = max(map(len, context(tokenizer, reading.template, [row["prompt"] for row in rows])), default=0)
    found = []
    for row, example in zip(
        rows,
        training_examples(rows, tokenizer, reading.template, max(1, longest) + reading.tokens),
        strict=True,
    ):
        cut = replace(example, tokens=example.tokens[: example.response_start + reading.tokens])
        covered = decode(tokenizer, cut.tokens[cut.response_start :])
        found.append(Beginning(row["side"], cut, len(covered.encode())))
    return found


def lean_rows(model: PreTrainedModel, texts: list[Beginning], pad: int) -> list[dict[str, Any]]:
    """Return the columns of schema ``LEAN`` that do not name the cell, one row per text."""
    nats = code_lengths(model, [text.example for text in texts], pad)
    return [
        {
            "side": text.side,
            "id": text.example.identity,
            "tokens": text.tokens,
            "utf8_bytes": text.utf8_bytes,
            "nats": length,
        }
        for text, length in zip(texts, nats, strict=True)
    ]
