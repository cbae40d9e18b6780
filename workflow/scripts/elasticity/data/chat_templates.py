"""Prompt templates: the text and the tokens that precede a response, and what ends it."""

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from elasticity.config.templates import ChatTemplate, Template, chat_template
from elasticity.core.errors import UserError
from elasticity.data.conversations import prompt_of, turns_of
from elasticity.models.chats import around, ending
from elasticity.models.tokenizer import beginning, encode, special_tokens

CONVERSATION = ("BEGINNING OF CONVERSATION: USER: ", " ASSISTANT:")
"""The text before and after a prompt in the code base of the paper's authors; the Beaver models use the same."""


FURTHER = "USER: "
"""The text before each further question there."""


def context(tokenizer: PreTrainedTokenizerFast, template: Template, prompts: Sequence[str]) -> list[list[int]]:
    """The token ids that precede the response to each prompt, with a BOS token if the tokenizer adds one to texts.

    Prompts are plain text: braces and text that looks like a special token have no special meaning. A prompt of
    several turns (``elasticity.data.conversations``) is rendered turn by turn, and as it stands in the plain template.

    Raises ``UserError`` if the tokenizer's chat template is asked for and cannot render a prompt.
    """
    start = beginning(tokenizer)
    if chat := chat_template(template):
        chats = _chats(tokenizer, prompts, chat)
        return [tokens if start and tokens[:1] == start else [*start, *tokens] for tokens in chats]
    if template == "conversation":
        return [[*start, *tokens] for tokens in _conversations(tokenizer, prompts)]
    return [[*start, *tokens] for tokens in encode(tokenizer, prompts)]


def end(tokenizer: PreTrainedTokenizerFast, template: Template) -> tuple[str, int]:
    """The text that follows a response, and the token that ends it: what the chat template puts there, or EOS."""
    chat = chat_template(template)
    return (chat and ending(tokenizer, chat)) or ("", tokenizer.eos_token_id)


def earlier_answers(
    tokenizer: PreTrainedTokenizerFast, template: Template, prompt: str, tokens: Sequence[int]
) -> list[tuple[int, int]]:
    """Where the answers in a prompt lie in its context ``tokens``: from a position to behind the token that ends it.

    Each begins where the context of the turns before it ends. A token that holds the end of that context and the
    beginning of the answer belongs to the answer.

    Raises ``UserError`` if the template renders an answer in a prompt in another way than a response.
    """
    turns = turns_of(prompt)
    before = [prompt_of(turns[:place]) for place, turn in enumerate(turns) if turn.role == "assistant"]
    _, stop = end(tokenizer, template)
    found = []
    for start in context(tokenizer, template, before):
        shared = next((place for place, pair in enumerate(zip(start, tokens, strict=False)) if len({*pair}) == 2), None)
        first = len(start) if shared is None else shared
        if first < len(start) - 1 or stop not in tokens[first:]:
            raise UserError(
                f"answers: all: the template {template} of {tokenizer.name_or_path or 'this model'} renders answers "
                f"in a prompt in another way than a response, which would begin after "
                f"{tokenizer.decode(start[first:])!r} and end with {tokenizer.decode([stop])!r}. Use answers: last"
            )
        found.append((first, tokens.index(stop, first) + 1))
    return found


def _conversations(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]) -> list[list[int]]:
    """Token ids of prompts in the form of the paper's code base, in which an EOS token ends each earlier answer."""
    exchanges = [_exchanges(prompt) for prompt in prompts]
    encoded = iter(encode(tokenizer, [text for texts in exchanges for text in texts]))
    found = []
    for texts in exchanges:
        tokens = list(next(encoded))
        for _ in texts[1:]:
            tokens += [tokenizer.eos_token_id, *next(encoded)]
        found.append(tokens)
    return found


def _exchanges(prompt: str) -> list[str]:
    """A prompt as texts that each end with an answer, and the last one where the response begins.

    A system prompt comes before the first question, with a blank line between them.
    """
    turns = turns_of(prompt)
    opening = f"{turns.pop(0).text}\n\n" if turns[0].role == "system" else ""
    questions = [turn.text for turn in turns[::2]]
    answers = [*(turn.text for turn in turns[1::2]), ""]
    questions[0] = opening + questions[0]
    before = [CONVERSATION[0], *[FURTHER] * (len(questions) - 1)]
    return ["".join(it) for it in zip(before, questions, [CONVERSATION[1]] * len(questions), answers, strict=True)]


def _chats(tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str], chat: ChatTemplate) -> list[list[int]]:
    """Token ids of prompts in the chat template, in which alone special tokens are recognised."""
    special = special_tokens(tokenizer)
    templates: dict[tuple[str, ...], tuple[str, ...]] = {}
    parts, harmless = list[list[str]](), list[bool]()
    for prompt in prompts:
        turns = turns_of(prompt)
        roles = tuple(turn.role for turn in turns)
        if roles not in templates:
            templates[roles] = around(tokenizer, chat, roles)
        first, *others = templates[roles]
        parts.append(
            [first, *(text for pair in zip((turn.text for turn in turns), others, strict=True) for text in pair)]
        )
        harmless.append(not any(token in turn.text for turn in turns for token in special))
    texts = ["".join(texts) for texts, good in zip(parts, harmless, strict=True) if good]
    whole = iter(tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else [])
    return [
        next(whole) if good else _in_parts(tokenizer, texts, special)
        for texts, good in zip(parts, harmless, strict=True)
    ]


def _in_parts(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], special: dict[str, int]) -> list[int]:
    """Token ids of texts that are by turns of a template, where special tokens are recognised, and of a prompt."""
    cut = re.compile("(" + "|".join(re.escape(token) for token in sorted(special, key=len, reverse=True)) + ")")
    parts = [""]  # text and special tokens alternate
    for number, text in enumerate(texts):
        first, *others = [text] if number % 2 else cut.split(text)
        parts[-1] += first
        parts += others
    tokens: list[int] = []
    for number, part in enumerate(parts):
        tokens += [special[part]] if number % 2 else encode(tokenizer, [part])[0]
    return tokens
