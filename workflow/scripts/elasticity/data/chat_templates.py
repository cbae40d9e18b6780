"""Prompt templates: the text and the tokens that precede a response, and what ends it."""

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from elasticity.config.templates import Template, chat_template
from elasticity.models.chats import around, ending
from elasticity.models.tokenizer import beginning, encode, special_tokens

CONVERSATION = ("BEGINNING OF CONVERSATION: USER: ", " ASSISTANT:")
"""The text before and after a prompt in the code base of the paper's authors; the Beaver models use the same."""


def context(tokenizer: PreTrainedTokenizerFast, template: Template, prompts: Sequence[str]) -> list[list[int]]:
    """The token ids that precede the response to each prompt, with a BOS token if the tokenizer adds one to texts.

    Prompts are plain text: braces and text that looks like a special token have no special meaning.

    Raises ``UserError`` if the tokenizer's chat template is asked for and cannot render a prompt.
    """
    start = beginning(tokenizer)
    if chat := chat_template(template):
        chats = _chats(tokenizer, prompts, around(tokenizer, chat))
        return [tokens if start and tokens[:1] == start else [*start, *tokens] for tokens in chats]
    before, after = CONVERSATION if template == "conversation" else ("", "")
    return [[*start, *tokens] for tokens in encode(tokenizer, [before + prompt + after for prompt in prompts])]


def end(tokenizer: PreTrainedTokenizerFast, template: Template) -> tuple[str, int]:
    """The text that follows a response, and the token that ends it: what the chat template puts there, or EOS."""
    chat = chat_template(template)
    return (chat and ending(tokenizer, chat)) or ("", tokenizer.eos_token_id)


def _chats(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str], template: tuple[str, str]) -> list[list[int]]:
    """Token ids of prompts between the texts of a template, in which alone special tokens are recognised."""
    before, after = template
    special = special_tokens(tokenizer)
    harmless = [not any(token in prompt for token in special) for prompt in prompts]
    texts = [before + prompt + after for prompt, good in zip(prompts, harmless, strict=True) if good]
    whole = iter(tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else [])
    return [
        next(whole) if good else _in_parts(tokenizer, (before, prompt, after), special)
        for prompt, good in zip(prompts, harmless, strict=True)
    ]


def _in_parts(tokenizer: PreTrainedTokenizerFast, texts: tuple[str, str, str], special: dict[str, int]) -> list[int]:
    """Token ids of a prompt in its template: special tokens of the template by id, everything else encoded as text."""
    before, prompt, after = texts
    cut = re.compile("(" + "|".join(re.escape(token) for token in sorted(special, key=len, reverse=True)) + ")")
    first, last = cut.split(before), cut.split(after)
    parts = [*first[:-1], first[-1] + prompt + last[0], *last[1:]]  # text and special tokens alternate
    tokens: list[int] = []
    for number, part in enumerate(parts):
        tokens += [special[part]] if number % 2 else encode(tokenizer, [part])[0]
    return tokens
