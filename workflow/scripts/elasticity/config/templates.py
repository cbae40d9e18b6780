"""How a prompt becomes the text that a model continues."""

import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StringConstraints, Tag, WithJsonSchema

from elasticity.config.base import Section

GIVEN = frozenset(
    {"messages", "tools", "documents", "add_generation_prompt", "enable_thinking", "thinking", "date_string"}
    | {"strftime_now", "bos_token", "eos_token", "pad_token", "unk_token"}
)
"""Variables of a chat template that the workflow or the tokenizer sets."""


def _a_date(text: str) -> str:
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is no date: write year-month-day, such as 2026-01-01") from None


Date = Annotated[str, AfterValidator(_a_date), WithJsonSchema({"type": "string", "format": "date"})]


def _not_given(name: str) -> str:
    if name in GIVEN:
        raise ValueError(f"{name} is set by the workflow: leave it out (see system, thinking and date)")
    return name


class ChatTemplate(Section):
    """The model's own chat template, and what it reads beside the prompt. Nothing comes from the clock.

    A template that does not read an option that is set is an error.
    """

    kind: Literal["chat"]
    system: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)] | None = Field(
        None, description="The system prompt. null: none is given, but some templates then write one of their own"
    )
    thinking: bool = Field(
        False,
        description="Whether the model may think before it responds: the template's variable `enable_thinking` or "
        "`thinking`",
    )
    date: Date = Field("2026-01-01", description="The date that templates get as today's")
    variables: dict[Annotated[str, AfterValidator(_not_given)], str | bool | int] = Field(
        default_factory=dict, description="Values of further variables of the template, such as `reasoning_effort`"
    )

    def __str__(self) -> str:
        """The kind, and the options that differ from their defaults."""
        options = self.model_dump(exclude_defaults=True, exclude={"kind"})
        return f"chat ({', '.join(f'{name}: {value}' for name, value in options.items())})" if options else "chat"


def _in_full(value: object) -> object:
    return {"kind": "chat"} if value == "chat" else value


def _form(value: object) -> str:
    return "name" if isinstance(value, str) else "chat"


Template = Annotated[
    Annotated[Literal["plain", "conversation", "chat"], Tag("name")] | Annotated[ChatTemplate, Tag("chat")],
    Discriminator(_form),
    BeforeValidator(_in_full),
]
"""A template. ``chat`` stands for a chat template with the default options; a study that was read has them in full."""


Answers = Literal["last", "all"]
"""The answers of a conversation that training has a loss on."""


def chat_template(template: Template) -> ChatTemplate | None:
    """The options of a chat template; None for another template."""
    if isinstance(template, ChatTemplate):
        return template
    return ChatTemplate(kind="chat") if template == "chat" else None
