"""Chat templates: nothing but the study's options enters them."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from transformers import PreTrainedTokenizerFast

from elasticity.config.loading import read_study
from elasticity.config.templates import ChatTemplate, Template
from elasticity.core.errors import UserError
from elasticity.data.chat_templates import context
from elasticity.models.tokenizer import load_tokenizer
from tests.unit.conftest import complaint
from tests.unit.families import CHATML, FAMILIES

CLOCK = "{{ strftime_now('%Y-%m-%d %H:%M:%S.%f') }} "
DATED = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}{{ date_string }} "
)
THINKS = CHATML + (
    "{% if add_generation_prompt and enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n"
    "{% endif %}"
)
OTHER = CHATML + "{% if add_generation_prompt and not thinking %}</think>{% endif %}"
EFFORT = "Effort: {{ reasoning_effort | default('medium') }} " + CHATML


@pytest.fixture
def tokenizer(tmp_path: Path) -> PreTrainedTokenizerFast:
    return load_tokenizer(FAMILIES["qwen"].save(tmp_path))


def text(tokenizer: PreTrainedTokenizerFast, source: str, **options: Any) -> str:
    """What precedes the response to a prompt."""
    tokenizer.chat_template = source
    (tokens,) = context(tokenizer, ChatTemplate(kind="chat", **options), ["How?"])
    return str(tokenizer.decode(tokens))


@pytest.mark.parametrize("template", ["chat", ChatTemplate(kind="chat")])
def test_a_name_stands_for_the_default_options(tokenizer: PreTrainedTokenizerFast, template: Template) -> None:
    tokenizer.chat_template = CHATML
    (tokens,) = context(tokenizer, template, ["How?"])
    assert tokenizer.decode(tokens) == "<|im_start|>user\nHow?<|im_end|>\n<|im_start|>assistant\n"


def test_no_clock_enters_a_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    assert text(tokenizer, CLOCK + CHATML).startswith("2026-01-01 00:00:00.000000 ")
    assert text(tokenizer, CLOCK + CHATML, date="2031-12-24").startswith("2031-12-24 00:00:00.000000 ")
    for source in (DATED, "{{ strftime_now('%d %b %Y') if strftime_now is defined else 'never' }} "):
        assert text(tokenizer, source + CHATML).startswith("01 Jan 2026 ")
        assert text(tokenizer, source + CHATML, date="2024-07-26").startswith("26 Jul 2024 ")


def test_a_model_thinks_only_if_the_study_says_so(tokenizer: PreTrainedTokenizerFast) -> None:
    for source in (THINKS, OTHER):
        assert text(tokenizer, source).rstrip().endswith("</think>")
        assert text(tokenizer, source, thinking=True).endswith("<|im_start|>assistant\n")


def test_a_system_prompt_and_further_variables_are_rendered(tokenizer: PreTrainedTokenizerFast) -> None:
    assert text(tokenizer, CHATML, system="Be brief.").startswith(
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>u"
    )
    assert text(tokenizer, EFFORT).startswith("Effort: medium")
    assert text(tokenizer, EFFORT, variables={"reasoning_effort": "low"}).startswith("Effort: low")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"thinking": True},
            r"template chat \(thinking: True\): the chat template of .* does not read thinking; it reads",
        ),
        ({"variables": {"effort": 1}}, "does not read effort; it reads add_generation_prompt, messages: leave out"),
        ({"system": "Be brief."}, r"leaves out a system prompt: remove `system`"),
    ],
)
def test_an_option_that_a_template_does_not_read_is_an_error(
    tokenizer: PreTrainedTokenizerFast, options: dict[str, Any], message: str
) -> None:
    source = "{{ messages[-1].content }}{% if add_generation_prompt %}:{% endif %}"
    with pytest.raises(UserError, match=message):
        text(tokenizer, source, **options)


def test_a_template_that_refuses_a_system_prompt_says_so(tokenizer: PreTrainedTokenizerFast) -> None:
    source = "{% if messages[0].role == 'system' %}{{ raise_exception('No system role') }}{% endif %}" + CHATML
    assert text(tokenizer, source)
    with pytest.raises(UserError, match=r"template chat \(system: Be brief\.\).*: No system role"):
        text(tokenizer, source, system="Be brief.")


# In a study


def test_a_study_holds_the_options_in_full(values: dict[str, Any]) -> None:
    task = values["tasks"]["reviews"]
    for given, date in (("chat", "2026-01-01"), ({"kind": "chat", "date": "2025-03-01"}, "2025-03-01")):
        task["template"] = given
        template = read_study(values).tasks["reviews"].template
        assert isinstance(template, ChatTemplate)
        assert template.date == date
        assert TypeAdapter(Template).validate_json(template.model_dump_json()) == template


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("chatty", "tasks.reviews.template: Input should be 'plain', 'conversation' or 'chat' (here: \"chatty\")"),
        ({"kind": "chat", "date": "1 May"}, "tasks.reviews.template.date: '1 May' is no date: write year-month-day"),
        ({"kind": "chat", "think": True}, "tasks.reviews.template.think: unknown key; did you mean 'thinking'?"),
        ({"kind": "chat", "variables": {"tools": 1}}, "tools is set by the workflow: leave it out"),
        ({"kind": "plain"}, "tasks.reviews.template.kind: Input should be 'chat' (here: \"plain\")"),
        (3, "tasks.reviews.template"),
    ],
)
def test_a_mistake_in_a_template_is_named(values: dict[str, Any], template: object, message: str) -> None:
    values["tasks"]["reviews"]["template"] = template
    assert message in complaint(values)
