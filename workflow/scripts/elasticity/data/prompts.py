"""Prompts: the beginnings of held-out texts, or held-out questions."""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from elasticity.config.data import Beginnings

if TYPE_CHECKING:  # a job that takes questions needs no tokenizer, and transformers takes seconds to import
    from transformers import PreTrainedTokenizerFast

LONGEST_TOKEN = 256
"""An upper bound on the characters of a token. Only this many characters per token of a prompt are encoded."""


def cut_prompts(
    texts: Iterable[dict[str, str]], tokenizer: "PreTrainedTokenizerFast", settings: Beginnings
) -> list[dict[str, str]]:
    """One prompt from each text: its first tokens, as rows of schema ``PROMPTS``.

    The number of tokens lies between ``settings.min_tokens`` and ``settings.max_tokens`` and is given by a digest of
    the text's id. A text with too few tokens gives all but its last one. A prompt that would end inside a character is
    extended to the end of that character.
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
    """The offset in the text, in characters, at which each token ends."""
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True)
    return [end for _, end in encoded["offset_mapping"]]


def questions(examples: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """The prompt of each example, as rows of schema ``PROMPTS``."""
    return [{"prompt_id": example["id"], "prompt": example["prompt"]} for example in examples]
