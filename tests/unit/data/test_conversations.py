"""Conversations of several turns: how they are read, kept in a prompt, and kept together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.config.formats import FORMATS
from elasticity.config.splits import Take
from elasticity.core.errors import UserError
from elasticity.data.cleaning import Raw, topic
from elasticity.data.conversations import MARK, Turn, exchange, first_question, prompt_of, turns_of
from elasticity.data.rows import PassedOverError
from tests.unit.cleaned import clean, take

WORDS = st.text(st.sampled_from("ab :\nHumanAssistant"), min_size=1, max_size=12).map(str.strip).filter(bool)


@st.composite
def conversations(draw: st.DrawFn) -> list[Turn]:
    """Turns from a question to a question, perhaps after a system prompt."""
    said = draw(st.lists(WORDS, min_size=1, max_size=5).filter(lambda said: len(said) % 2 == 1))
    turns = [Turn("assistant" if place % 2 else "user", text) for place, text in enumerate(said)]
    return [Turn("system", draw(WORDS)), *turns] if draw(st.booleans()) else turns


@given(conversations())
def test_a_prompt_keeps_its_turns(turns: list[Turn]) -> None:
    if len(turns) > 1 and any(MARK.search(turn.text) for turn in turns):
        with pytest.raises(PassedOverError, match="beginning of another one"):
            prompt_of(turns)
    else:
        assert turns_of(prompt_of(turns)) == turns or len(turns) == 1


@pytest.mark.parametrize(
    "text", ["Why?", "Human: hello", "Human: a\n\nAssistant: b", "A\n\nAssistant:", "\n\nAssistant:"]
)
def test_other_texts_are_one_question(text: str) -> None:
    assert turns_of(text) == [Turn("user", text)]


def turns(roles: str) -> list[Turn]:
    names: dict[str, Any] = {"s": "system", "u": "user", "a": "assistant"}
    return [Turn(names[role], f"text {place}") for place, role in enumerate(roles)]


@pytest.mark.parametrize("roles", ["", "u", "uu", "a", "sa", "uaa", "uua", "usua", "auaa"])
def test_conversations_that_are_no_questions_with_answers_are_passed_over(roles: str) -> None:
    with pytest.raises(PassedOverError, match=r"no answer|not questions and answers in turn"):
        exchange(turns(roles))


@pytest.mark.parametrize("roles", ["ua", "uau", "sua", "uaua", "suauau"])
def test_the_prompt_is_everything_before_the_last_answer(roles: str) -> None:
    prompt, response = exchange(turns(roles))
    assert response == f"text {roles.rindex('a')}"
    assert turns_of(prompt) == turns(roles)[: roles.rindex("a")]


def test_a_system_prompt_beside_a_conversation_is_its_first_turn() -> None:
    said = [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]
    system = {"from": "system", "value": "Be long."}

    def prompt(row: dict[str, Any], name: str = "sharegpt") -> str:
        ((found, *_),) = FORMATS[name].examples(row)
        return str(found)

    assert prompt({"system": "Be brief.", "conversations": said}) == "System: Be brief.\n\nHuman: Why?\n\nAssistant:"
    assert prompt({"system": "Be brief.", "conversations": [system, *said]}) == (
        "System: Be long.\n\nHuman: Why?\n\nAssistant:"
    )
    assert prompt(
        {
            "system": "Be brief.",
            "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}],
        },
        "messages",
    ).startswith("System: Be brief.")
    assert [prompt({"system": none, "conversations": said}) for none in (None, " ")] == ["Why?", "Why?"]


REASONS: list[tuple[dict[str, Any], str]] = [
    ({"role": "tool", "content": "12"}, "a turn of the role 'tool'"),
    ({"role": "assistant", "content": None}, "a turn is not text"),
    ({"role": "assistant", "content": [{"type": "image"}]}, "a turn is not text"),
    ({"role": "user", "content": "Well?"}, "no answer in the conversation"),
]


@pytest.mark.parametrize(("message", "reason"), REASONS)
def test_what_is_no_text_of_a_role_is_passed_over_with_its_reason(message: dict[str, Any], reason: str) -> None:
    with pytest.raises(PassedOverError, match=reason):
        list(FORMATS["messages"].examples({"messages": [{"role": "user", "content": "Hm?"}, message]}))


@pytest.mark.parametrize("value", [["Hi"], [{"text": "Hi"}], 3])
def test_what_is_no_conversation_is_an_error(value: Any) -> None:
    with pytest.raises(UserError, match=r"messages is|no field 'role'"):
        list(FORMATS["messages"].examples({"messages": value}))


@pytest.mark.parametrize(
    "text",
    [
        "Human: Where is it?",
        "Human: Where is it?\n\nAssistant: Here.\n\nHuman: And now?\n\nAssistant:",
        "System: Be brief.\n\nHuman: Where is it?\n\nAssistant:",
        "### USER: Where is it?\nASSISTANT: Here.",
        "user: Where is it? bot: Here.",
    ],
)
def test_the_first_question_is_found_whatever_the_roles_are_called(text: str) -> None:
    assert first_question(text) == "Where is it?"


def test_other_texts_have_no_first_question() -> None:
    assert [first_question(text) for text in ("Where?", "A human: born to err.", "Username: x")] == [None] * 3


TALKS = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), min_size=4, max_size=12)


@given(TALKS, st.sampled_from(["preference", "text"]))
def test_no_conversation_is_in_two_splits(talks: list[list[str]], form: str) -> None:
    """Transcripts of random words as in hh-rlhf: no held-out prompt begins a conversation that is trained on."""
    raws = []
    for talk in talks:
        said = [f"\n\n{'Assistant' if place % 2 else 'Human'}: {word}" for place, word in enumerate(talk)]
        if form == "text":  # whole conversations as texts
            raws += [Raw(None, "".join(said) + f"\n\nAssistant: {number}", "positive") for number in range(2)]
        elif len(said) % 2:
            row = {"chosen": "".join(said) + "\n\nAssistant: Yes.", "rejected": "".join(said) + "\n\nAssistant: No."}
            raws += [Raw(*raw) for raw in FORMATS["preference"].examples(row)]
    rows, _ = clean(raws)
    held_out, trained = Take(split="prompts", shares={"positive": 1}), Take(split="positive", shares={"positive": 1})
    try:
        held, train = (take(rows, takes) for takes in ((held_out,), (held_out, trained)))
    except UserError:
        return
    first = {row["id"]: (row["prompt"] or row["response"]).replace("Human: ", "").strip()[0] for row in rows}
    assert {first[row["id"]] for row in held}.isdisjoint(first[row["id"]] for row in train)
    assert {topic(row) for row in held}.isdisjoint(topic(row) for row in train)
