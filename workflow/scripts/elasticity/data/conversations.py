"""Conversations of several turns: chat messages and transcripts, and how their turns are kept in a prompt.

The prompt of an example is text. A prompt of one question is that question. A prompt of several turns is a transcript
in the form of the data set hh-rlhf, which ends where the response begins:

    Human: Where is the key?

    Assistant: Which one?

    Human: That of the cellar.

    Assistant:
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from elasticity.config.formats import Row
from elasticity.data.rows import PassedOverError, read_field, read_text, wrong_value

Role = Literal["system", "user", "assistant"]


class Turn(NamedTuple):
    """What one role says."""

    role: Role
    text: str


NAMES: dict[Role, str] = {"system": "System", "user": "Human", "assistant": "Assistant"}
"""What a transcript calls the roles."""


ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt"), "assistant"),
}
"""What data call the roles, in lower case."""


MARK = re.compile(rf"(?:\A|\n\n)({'|'.join(NAMES.values())}):")
"""The beginning of a turn in a transcript."""


END = f"\n\n{NAMES['assistant']}:"
"""The end of a transcript that is a prompt."""


def prompt_of(turns: Sequence[Turn]) -> str:
    """The prompt that these turns are: the text of a single question, otherwise a transcript.

    Raises ``PassedOverError`` if the turns are no prompt: an optional system prompt, then questions and answers in
    turn, from a question to a question; or if a turn is empty or contains the beginning of another one.
    """
    asked = [turn.role for turn in turns if turn.role != "system"]
    if not turns or any(turn.role == "system" for turn in turns[1:]) or not _in_turn(asked):
        raise PassedOverError("the turns before the answer are not questions and answers in turn")
    if len(turns) == 1:
        return turns[0].text
    if any(not turn.text.strip() for turn in turns):
        raise PassedOverError("a turn is empty")
    if any(MARK.search(turn.text.strip()) for turn in turns):
        raise PassedOverError("a turn contains the beginning of another one (Human: or Assistant: after a blank line)")
    return "\n\n".join(f"{NAMES[turn.role]}: {turn.text.strip()}" for turn in turns) + END


def turns_of(prompt: str) -> list[Turn]:
    """The turns of a prompt: the inverse of ``prompt_of``. A text that is no such transcript is one question."""
    if prompt.endswith(END) and MARK.match(prompt):
        found = transcript(prompt[: -len(END)])
        if _in_turn([turn.role for turn in found[found[0].role == "system" :]]) and all(turn.text for turn in found):
            return found
    return [Turn("user", prompt)]


def transcript(text: str) -> list[Turn]:
    """The turns of a transcript; none if the text does not begin with a turn."""
    first, *parts = MARK.split(text.strip())
    roles: dict[str, Role] = {name: role for role, name in NAMES.items()}
    return (
        [] if first else [Turn(roles[name], said.strip()) for name, said in zip(parts[::2], parts[1::2], strict=True)]
    )


def exchange(turns: Sequence[Turn]) -> tuple[str, str]:
    """The prompt and the response of a conversation: all turns before the last answer, and this answer.

    Questions after the last answer are left out. Raises ``PassedOverError`` as ``prompt_of`` does, and if there is no
    answer.
    """
    last = max((place for place, turn in enumerate(turns) if turn.role == "assistant"), default=None)
    if last is None:
        raise PassedOverError("no answer in the conversation")
    return prompt_of(turns[:last]), turns[last].text


def read_turns(row: Row, name: str) -> list[Turn]:
    """The turns in a field: a list of messages (``role`` and ``content``, or ``from`` and ``value``), or text.

    A text is a transcript or one question; system prompts that are empty are left out. Raises ``UserError`` if the
    value is neither, ``PassedOverError`` if it is null or a message is no text of one of the roles.
    """
    value = read_field(row, name)
    if isinstance(value, list):
        said = [_message(message, name) for message in value]
        return [turn for turn in said if turn.role != "system" or turn.text.strip()]
    text = read_text(row, name).strip()
    return transcript(text.removesuffix(END)) or [Turn("user", text)]


def read_exchange(row: Row, name: str, prompt: Sequence[Turn] = ()) -> tuple[str, str]:
    """The prompt and the response in a field that continues a prompt, or repeats it, or is the whole conversation."""
    if prompt and isinstance(read_field(row, name), str):
        return prompt_of(prompt), read_text(row, name)
    said = read_turns(row, name)
    if prompt and prompt[-1].role == "user" and said and said[0].role == "user":  # the prompt is there again
        prompt = [turn for turn in prompt if turn.role == "system"]
    return exchange([*prompt, *said])


def _in_turn(roles: Sequence[Role]) -> bool:
    """Whether the roles are those of questions and answers in turn, from a question to a question."""
    return len(roles) % 2 == 1 and all(role == ("user", "assistant")[place % 2] for place, role in enumerate(roles))


def _message(message: Any, name: str) -> Turn:
    if not isinstance(message, Mapping):
        raise wrong_value(name, message, "a list of messages with role and content")
    said_by, said = ("from", "value") if "from" in message else ("role", "content")
    role, content = read_field(message, said_by), read_field(message, said)
    if str(role).lower() not in ROLES:
        raise PassedOverError(f"a turn of the role {role!r:.40}")
    if isinstance(content, list):
        content = "".join(_part(part) for part in content)
    if not isinstance(content, str):
        raise PassedOverError("a turn is not text")
    return Turn(ROLES[str(role).lower()], content)


def _part(part: Any) -> str:
    """The text of a part of a message."""
    text = part.get("text") if isinstance(part, Mapping) else part
    if not isinstance(text, str):
        raise PassedOverError("a turn is not text")
    return text
