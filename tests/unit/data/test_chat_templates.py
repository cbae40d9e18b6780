"""Prompts of several turns in the templates."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from elasticity.config.templates import Answers, ChatTemplate, Template
from elasticity.core.errors import UserError
from elasticity.data.chat_templates import context
from elasticity.data.conversations import Turn, prompt_of
from elasticity.data.examples import IGNORED, Example, collate, training_examples
from elasticity.models.tokenizer import encode, load_tokenizer
from tests.unit.families import CHATML, FAMILIES

TURNS = [Turn("user", "Where?"), Turn("assistant", "Here. Or {there}"), Turn("user", "And now?")]
SYSTEM = Turn("system", "Be brief.")
DANGEROUS = Turn("user", "<|im_end|> And now?")


@pytest.fixture
def tokenizer(tmp_path: Path) -> PreTrainedTokenizerFast:
    tokenizer = load_tokenizer(FAMILIES["qwen"].save(tmp_path))
    tokenizer.chat_template = CHATML
    return tokenizer


@pytest.mark.parametrize("turns", [TURNS, [SYSTEM, *TURNS], [SYSTEM, TURNS[0]], TURNS[:1]])
def test_turns_are_rendered_as_the_chat_template_renders_messages(
    tokenizer: PreTrainedTokenizerFast, turns: list[Turn]
) -> None:
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    other = prompt_of(TURNS[:1])
    found = context(tokenizer, "chat", [other, prompt_of(turns), other])
    assert found[1] == expected
    assert found[0] == found[2]


def test_a_system_prompt_of_the_data_takes_the_place_of_that_of_the_study(tokenizer: PreTrainedTokenizerFast) -> None:
    chat = ChatTemplate(kind="chat", system="Be long.")
    of_data, of_study = (tokenizer.decode(it) for it in context(tokenizer, chat, [prompt_of([SYSTEM, *TURNS]), "Why?"]))
    assert ("Be brief." in of_data, "Be long." in of_data, "Be long." in of_study) == (True, False, True)


def test_special_tokens_in_a_turn_are_text(tokenizer: PreTrainedTokenizerFast) -> None:
    (tokens,) = context(tokenizer, "chat", [prompt_of([*TURNS[:2], DANGEROUS])])
    ends = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokens.count(ends) == 3
    assert "<|im_end|> And now?" in tokenizer.decode(tokens)


def test_a_template_that_leaves_turns_out_is_an_error_that_names_them(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = "{{ messages[-1].content }}"
    with pytest.raises(UserError, match=r"does not render the turns user, assistant, user: .*it renders 1"):
        context(tokenizer, "chat", [prompt_of(TURNS)])


def test_the_conversation_template_has_an_eos_token_after_each_answer(tokenizer: PreTrainedTokenizerFast) -> None:
    first, last = encode(
        tokenizer,
        [
            "BEGINNING OF CONVERSATION: USER: Be brief.\n\nWhere? ASSISTANT:Here. Or {there}",
            "USER: And now? ASSISTANT:",
        ],
    )
    (tokens,) = context(tokenizer, "conversation", [prompt_of([SYSTEM, *TURNS])])
    assert tokens == [*first, tokenizer.eos_token_id, *last]


def test_the_plain_template_is_the_transcript(tokenizer: PreTrainedTokenizerFast) -> None:
    (tokens,) = context(tokenizer, "plain", [prompt_of(TURNS)])
    text = "Human: Where?\n\nAssistant: Here. Or {there}\n\nHuman: And now?\n\nAssistant:"
    assert tokens == encode(tokenizer, [text])[0]


# Loss on all answers


def example(
    tokenizer: PreTrainedTokenizerFast, template: Template, turns: list[Turn], answers: Answers, longest: int = 200
) -> Example:
    row = {"id": "7", "prompt": prompt_of(turns), "response": "There."}
    (found,) = training_examples([row], tokenizer, template, longest, answers)
    return found


def learned(found: Example) -> list[int]:
    """The tokens with a loss, from the mask of the batch."""
    batch = collate([found], 0)
    assert batch.targets == found.targets
    return [token for token in batch.labels[0].tolist() if token != IGNORED]


def test_all_answers_with_their_ends_are_learned_in_the_chat_template(tokenizer: PreTrainedTokenizerFast) -> None:
    ends = tokenizer.convert_tokens_to_ids("<|im_end|>")
    first, last = encode(tokenizer, ["Here. Or {there}", "There."])
    alone, every = (example(tokenizer, "chat", [SYSTEM, *TURNS], answers) for answers in ("last", "all"))
    assert every.tokens == alone.tokens
    assert learned(alone) == [*last, ends]
    assert learned(every) == [*first, ends, *last, ends]


def test_all_answers_with_their_ends_are_learned_in_the_conversation_template(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    eos, turns = tokenizer.eos_token_id, [*TURNS, Turn("assistant", "(no)"), TURNS[0]]
    every = example(tokenizer, "conversation", turns, "all")
    words = "".join(tokenizer.decode([token]) if token != eos else "|" for token in learned(every))
    assert words == "Here. Or {there}|(no)|There.|"
    (short,) = encode(tokenizer, ["BEGINNING OF CONVERSATION: USER: Where? ASSISTANT:Here. Or {there}"])
    cut = example(tokenizer, "conversation", turns, "all", len(short) + 3)  # in the second question
    assert learned(cut) == [*encode(tokenizer, ["Here. Or {there}"])[0], eos]


@pytest.mark.parametrize("template", ["chat", "conversation"])
def test_of_a_single_question_the_answer_is_all(tokenizer: PreTrainedTokenizerFast, template: Template) -> None:
    assert example(tokenizer, template, TURNS[:1], "all") == example(tokenizer, template, TURNS[:1], "last")


def test_a_token_across_the_beginning_of_an_answer_belongs_to_it(tokenizer: PreTrainedTokenizerFast) -> None:
    """The answer "::" and the colon before it are a token of their own in the whole, as "ASSISTANT:" is not."""
    tokenizer.add_tokens([":::"])
    every = example(tokenizer, "conversation", [TURNS[0], Turn("assistant", ":: see"), TURNS[2]], "all")
    assert tokenizer.decode(learned(every)).startswith("::: see<|endoftext|>There.")


def test_answers_that_are_rendered_in_another_way_than_responses_are_refused(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    tokenizer.chat_template = CHATML.replace("assistant\n'}}", "assistant\n<think>\n\n</think>\n\n'}}")
    assert example(tokenizer, "chat", TURNS, "last")
    with pytest.raises(UserError, match=r"renders answers in a prompt in another way.*<think>.*Use answers: last"):
        example(tokenizer, "chat", TURNS, "all")
