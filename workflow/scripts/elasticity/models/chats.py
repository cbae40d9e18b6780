"""A tokenizer's own chat template: the text around a prompt, and what the template puts after a response."""

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from jinja2 import meta
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import _compile_jinja_template

from elasticity.config.templates import ChatTemplate
from elasticity.core.errors import UserError

PROMPT, RESPONSE = "9f2c6e prompt 9f2c6e", "9f2c6e response 9f2c6e"
"""Rendered in place of a prompt and its response, so that nothing in them is taken for a part of the template."""


THINKING = ("enable_thinking", "thinking")
"""The variables by which templates are told whether the model may think."""


Messages = Sequence[Mapping[str, str]]


def around(tokenizer: PreTrainedTokenizerFast, chat: ChatTemplate, roles: Sequence[str] = ("user",)) -> tuple[str, ...]:
    """The texts that the chat template puts before, between and after turns of these roles, up to the response.

    A system prompt among the turns takes the place of that of the options.

    Raises ``UserError`` if there is no chat template, if it cannot render a prompt, or if it does not read an option.
    """
    name = tokenizer.name_or_path or "this model"
    if tokenizer.chat_template is None:
        raise UserError(
            f"template chat: the tokenizer of {name} has no chat template. Use template: conversation or plain, or a "
            "model that was fine-tuned for chat."
        )
    try:
        _check_options(tokenizer, chat)
        messages = _prompt(chat, roles)
        text = _rendered(tokenizer, chat, messages, add_generation_prompt=True)
        if chat.system in [it["content"] for it in messages] and chat.system not in text:
            raise UserError(f"template {chat}: the chat template of {name} leaves out a system prompt: remove `system`")
        parts = tuple(text.split(PROMPT))
        if len(parts) != len(roles) + 1:
            raise ValueError(f"of the turns {', '.join(roles)} it renders {len(parts) - 1}")
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise UserError(
            f"template {chat}: the chat template of {name} does not render {_named(roles)}: {error}. Use template: "
            "conversation or plain."
        ) from None
    return parts


def ending(tokenizer: PreTrainedTokenizerFast, chat: ChatTemplate) -> tuple[str, int] | None:
    """The text that the chat template puts after a response, and the token with which it then ends the turn.

    None if the tokenizer has no chat template, or if its template puts no token of its own after a response.
    """
    if tokenizer.chat_template is None:
        return None
    try:
        text = _rendered(
            tokenizer, chat, [*_prompt(chat), {"role": "assistant", "content": RESPONSE}], add_generation_prompt=False
        )
        _, after = text.split(RESPONSE)
    except (jinja2.TemplateError, TypeError, ValueError):  # a template for prompts alone
        return None
    tokens = {token.content: number for number, token in tokenizer.added_tokens_decoder.items()}
    pattern = "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True))
    found = re.search(pattern, after) if pattern else None
    return (after[: found.start()], tokens[found.group()]) if found else None


def _prompt(chat: ChatTemplate, roles: Sequence[str] = ("user",)) -> list[dict[str, str]]:
    system = [{"role": "system", "content": chat.system}] if chat.system and roles[0] != "system" else []
    return [*system, *({"role": role, "content": PROMPT} for role in roles)]


def _named(roles: Sequence[str]) -> str:
    return "a single prompt" if len(roles) == 1 else f"the turns {', '.join(roles)}"


def _rendered(
    tokenizer: PreTrainedTokenizerFast, chat: ChatTemplate, messages: Messages, add_generation_prompt: bool
) -> str:
    """The text of messages. The template's clock stands at the beginning of the day that the options name.

    ``apply_chat_template`` of transformers hands no functions to a template, so its clock could not be replaced.
    """
    today = datetime.datetime.fromisoformat(chat.date)
    variables: dict[str, Any] = {
        **tokenizer.special_tokens_map,
        **dict.fromkeys(THINKING, chat.thinking),
        **chat.variables,
        "date_string": today.strftime("%d %b %Y"),
        "strftime_now": lambda format: today.strftime(format),
    }
    template = _compile_jinja_template(tokenizer.get_chat_template())
    return str(
        template.render(
            messages=messages, tools=None, documents=None, add_generation_prompt=add_generation_prompt, **variables
        )
    )


def _check_options(tokenizer: PreTrainedTokenizerFast, chat: ChatTemplate) -> None:
    """Raise ``UserError`` if the template does not read a variable that an option sets."""
    source = tokenizer.get_chat_template()
    read = meta.find_undeclared_variables(_compile_jinja_template(source).environment.parse(source))
    wanted = [*chat.variables, *(["thinking"] if chat.thinking and not read & set(THINKING) else [])]
    if unread := [name for name in wanted if name not in read]:
        raise UserError(
            f"template {chat}: the chat template of {tokenizer.name_or_path} does not read {', '.join(unread)}; it "
            f"reads {', '.join(sorted(read))}: leave out what it does not read"
        )
