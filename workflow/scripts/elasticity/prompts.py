"""Prompts: the beginnings of held-out texts."""

import hashlib
from collections.abc import Iterable

from transformers import PreTrainedTokenizerFast

from elasticity.study import Prompts
from elasticity.tokenization import decode, encode


def cut_prompts(
    texts: Iterable[dict[str, str]], tokenizer: PreTrainedTokenizerFast, settings: Prompts
) -> list[dict[str, str]]:
    """The first tokens of each text (rows of schema ``PROMPTS``); how many, between the bounds, its digest says.

    A text gives one prompt. One that is too short gives all but its last token, and a prompt that would end inside a
    character goes on to its end.
    """
    rows = []
    spread = settings.max_tokens - settings.min_tokens + 1
    for text in texts:
        (tokens,) = encode(tokenizer, [text["text"]])
        length = settings.min_tokens + int(hashlib.sha256(text["id"].encode()).hexdigest(), 16) % spread
        length = max(1, min(length, len(tokens) - 1))
        while not text["text"].startswith(prompt := decode(tokenizer, tokens[:length])):
            length += 1
        rows.append({"prompt_id": text["id"], "prompt": prompt})
    return rows
