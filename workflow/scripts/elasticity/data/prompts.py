"""Prompts: the beginnings of held-out texts, or held-out questions."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from elasticity.config.data import Beginnings

if TYPE_CHECKING:  # questions need no tokenizer, and its library takes seconds to import
    from transformers import PreTrainedTokenizerFast
import hashlib

LONGEST_TOKEN = 256
"""Characters, by far; no more of a text is encoded than the longest prompt can need."""


def cut_prompts(
    texts: Iterable[dict[str, str]], tokenizer: "PreTrainedTokenizerFast", settings: Beginnings
) -> list[dict[str, str]]:
    """The first tokens of each text (rows of schema ``PROMPTS``); how many, between the bounds, its digest says.

    A text gives one prompt. One that is too short gives all but its last token, and a prompt that would end inside a
    character goes on to its end.
    """
    rows = []
    spread = settings.max_tokens - settings.min_tokens + 1
    for text in texts:
        start = text["response"][: LONGEST_TOKEN * settings.max_tokens]
        ends = _ends(start, tokenizer)
        length = settings.min_tokens + int(hashlib.sha256(text["id"].encode()).hexdigest(), 16) % spread
        length = max(1, min(length, len(ends) - 1))
        rows.append({"prompt_id": text["id"], "prompt": start[: ends[length - 1]]})
    return rows


def _ends(text: str, tokenizer: "PreTrainedTokenizerFast") -> list[int]:
    """Where each token ends in a text (characters), whatever decoding would make of it."""
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True)
    return [end for _, end in encoded["offset_mapping"]]


def questions(examples: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """The prompt of each example (rows of schema ``PROMPTS``)."""
    return [{"prompt_id": example["id"], "prompt": example["prompt"]} for example in examples]
