"""Prompt templates: the text and the tokens that precede a response."""

import re
from collections.abc import Sequence

import jinja2
from transformers import PreTrainedTokenizerFast

from elasticity.config.data import Template
from elasticity.core.errors import UserError
from elasticity.models.tokenizer import beginning, encode, special_tokens

CONVERSATION = ("BEGINNING OF CONVERSATION: USER: ", " ASSISTANT:")
"""The text before and after a prompt in the code base of the paper's authors; the Beaver models use the same."""


STAND_IN = "9f2c6e prompt 9f2c6e"
"""Rendered in place of a prompt, so that nothing in a prompt is interpreted as part of the template."""


def context(tokenizer: PreTrainedTokenizerFast, template: Template, prompts: Sequence[str]) -> list[list[int]]:
    """The token ids that precede the response to each prompt, with a BOS token if the tokenizer adds one to texts.

    Prompts are plain text: braces and text that looks like a special token have no special meaning.

    Raises ``UserError`` if the template is ``chat`` and the tokenizer has no chat template.
    """
    start = beginning(tokenizer)
    if template == "chat":
        chats = _chats(tokenizer, prompts)
        return [tokens if start and tokens[:1] == start else [*start, *tokens] for tokens in chats]
    before, after = CONVERSATION if template == "conversation" else ("", "")
    return [[*start, *tokens] for tokens in encode(tokenizer, [before + prompt + after for prompt in prompts])]


def _chats(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]) -> list[list[int]]:
    """Token ids of prompts in the chat template. Special tokens are recognised in the template, but not in a prompt."""
    before, after = _around(tokenizer)
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


def _around(tokenizer: PreTrainedTokenizerFast) -> tuple[str, str]:
    """The text that the model's own chat template puts before a prompt, and after it up to the response.

    Raises ``UserError`` if there is no chat template, or if it cannot render a single prompt.
    """
    if tokenizer.chat_template is None:
        raise UserError(
            f"template chat: the tokenizer of {tokenizer.name_or_path or 'this model'} has no chat template. "
            "Use template: conversation or plain, or a model that was fine-tuned for chat."
        )
    messages = [{"role": "user", "content": STAND_IN}]
    try:
        text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        before, after = text.split(STAND_IN)
    except (jinja2.TemplateError, ValueError) as error:
        raise UserError(
            f"template chat: the chat template of {tokenizer.name_or_path} does not render a single prompt: {error}. "
            "Use template: conversation or plain."
        ) from None
    return before, after
