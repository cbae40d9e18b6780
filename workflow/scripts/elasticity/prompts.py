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

    Texts that are not longer than the upper bound are passed over; a prompt never ends inside a character.
    """
    rows = []
    spread = settings.max_tokens - settings.min_tokens + 1
    for text in texts:
        (tokens,) = encode(tokenizer, [text["text"]])
        length = settings.min_tokens + int(hashlib.sha256(text["id"].encode()).hexdigest(), 16) % spread
        prompt = decode(tokenizer, tokens[:length])
        if len(tokens) > settings.max_tokens and text["text"].startswith(prompt):
            rows.append({"prompt_id": text["id"], "prompt": prompt})
    return rows
