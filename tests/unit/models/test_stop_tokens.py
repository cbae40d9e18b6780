"""Responses end where the model's own generation would end them, in training and when they are drawn."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from elasticity.config.models import ModelFolder
from elasticity.config.sampling import Sampling
from elasticity.data.examples import IGNORED, collate, response_examples, training_examples
from elasticity.evaluation.generation import TransformersEngine, generate
from elasticity.models.importing import load
from elasticity.models.loading import load_model, save
from elasticity.models.stop_tokens import declared_stop_tokens, stop_tokens
from elasticity.models.tokenizer import load_tokenizer, never_drawn
from tests.unit.families import CHATML, FAMILIES

EOS, END = 1, 5
"""The EOS token of ``gemma_it``, and its end of turn."""


PROMPTS = [{"prompt_id": f"p{i}", "prompt": "How " * (1 + i % 5) + "do I say this?"[: i % 15]} for i in range(40)]


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A model whose greedy responses end with either of its stop tokens, or do not end."""
    folder = FAMILIES["gemma_it"].save(tmp_path / "given", torch.float32)
    model, random = load_model(folder), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() == 2:
                weights.copy_(0.6 * torch.randn(weights.shape, generator=random))
        model.get_input_embeddings().weight[[EOS, END]] *= 1.5
    model.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [EOS, END]}))
    return folder


def imported(folder: Path, made: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The model after import, as a job reads it."""
    save(*load(ModelFolder(kind="folder", path=str(folder)), folder), made, 0.0)
    return load_model(made), load_tokenizer(made)


def test_responses_end_where_transformers_itself_would_end_them(given: Path, tmp_path: Path) -> None:
    model, tokenizer = imported(given, tmp_path / "made")
    rows = generate(TransformersEngine(model, tokenizer), tokenizer, PROMPTS, Sampling(new_tokens=12, top_k=1), "chat")
    owns = [AutoModelForCausalLM.from_pretrained(folder) for folder in (given, tmp_path / "made")]
    stops = Counter[int | None]()
    banned = never_drawn(tokenizer, 512, {EOS, END})
    for row in rows:
        prompt, stop = torch.tensor([row["prompt_tokens"]]), row["stop_token"]
        for own in owns:
            drawn = own.generate(prompt, max_new_tokens=12, do_sample=False, suppress_tokens=banned)
            assert drawn[0, prompt.shape[1] :].tolist() == row["response_tokens"] + ([] if stop is None else [stop])
        stops[stop] += 1
    assert set(stops) == {EOS, END, None}


def test_a_kept_model_names_its_stop_tokens_where_other_tools_look(given: Path, tmp_path: Path) -> None:
    _, tokenizer = imported(given, tmp_path / "made")
    settings = GenerationConfig.from_pretrained(tmp_path / "made")
    assert (settings.bos_token_id, settings.eos_token_id, settings.pad_token_id) == (2, [EOS, END], 0)
    assert AutoTokenizer.from_pretrained(tmp_path / "made").chat_template == tokenizer.chat_template


def test_training_ends_with_what_the_template_puts_after_a_response(given: Path, tmp_path: Path) -> None:
    _, tokenizer = imported(given, tmp_path / "made")
    rows = [{"id": str(i), "prompt": "How?", "response": "Like that" * i} for i in (1, 3)]
    for template, end in (("chat", END), ("conversation", EOS), ("plain", EOS)):
        batch = collate(training_examples(rows, tokenizer, template, 200), tokenizer.pad_token_id)
        for row, labels in zip(rows, batch.labels.tolist(), strict=True):
            targets = [token for token in labels if token != IGNORED]
            assert [token for token in targets if token in (EOS, END)] == [end] == targets[-1:], row


@pytest.mark.parametrize(("closing", "end"), [("<|im_end|>\n", "<|im_end|>"), (" <|endoftext|>", "<|endoftext|>")])
def test_an_example_is_the_rendered_turn_up_to_its_end(closing: str, end: str, tmp_path: Path) -> None:
    """Also where the template puts text before the token that ends the turn."""
    tokenizer = load_tokenizer(FAMILIES["qwen"].save(tmp_path))
    tokenizer.chat_template = CHATML.replace("<|im_end|>\n", closing)
    messages = [{"role": "user", "content": "How?"}, {"role": "assistant", "content": "Like that"}]
    whole = tokenizer.apply_chat_template(messages, return_dict=False)
    row = {"id": "x", "prompt": "How?", "response": "Like that"}
    (example,) = training_examples([row], tokenizer, "chat", 200)
    assert whole[: len(example.tokens)] == example.tokens
    assert example.tokens[-1] == tokenizer.convert_tokens_to_ids(end)


def test_drawn_responses_are_read_with_the_token_that_ended_them(tokenizer: PreTrainedTokenizerFast) -> None:
    row = {"prompt_id": "p", "prompt_tokens": [0, 9], "response_tokens": [7, 8]}
    examples = response_examples([row | {"stop_token": stop} for stop in (EOS, END, None)], tokenizer, 20)
    assert [example.tokens for example in examples] == [[0, 9, 7, 8, EOS], [0, 9, 7, 8, END], [0, 9, 7, 8]]


@pytest.mark.parametrize(
    ("generation", "config", "expected"),
    [
        ([1, 5], 1, [1, 5]),
        (5, 1, [1, 5]),
        (1, [1, 4], [1, 4, 5]),  # a token of its own
        ([1, 100], 1, [1, 5, 100]),  # named by the file that generation reads
        (1, 100, [1, 5]),  # the default of an architecture is text in this vocabulary
        ([1, 5000, -1], None, [1, 5]),  # no token of this vocabulary
        (None, None, [1, 5]),
    ],
)
def test_stop_tokens_are_taken_from_wherever_a_model_names_them(
    generation: object, config: object, expected: list[int], tmp_path: Path
) -> None:
    folder = FAMILIES["gemma_it"].save(tmp_path)
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    model.generation_config.eos_token_id, model.config.eos_token_id = generation, config
    assert declared_stop_tokens(model, tokenizer) == expected


def test_models_of_the_workflow_stop_at_their_eos_token_alone(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    assert stop_tokens(model.generation_config, tokenizer) == {tokenizer.eos_token_id}
    assert stop_tokens(None, tokenizer) == {tokenizer.eos_token_id}


def test_a_template_for_prompts_alone_leaves_the_eos_token(tmp_path: Path) -> None:
    folder = FAMILIES["gemma_it"].save(tmp_path)
    tokenizer = load_tokenizer(folder)
    tokenizer.chat_template = (
        "{{ messages[0].content }}{% if messages | length > 1 %}{{ raise_exception('no') }}{% endif %}"
    )
    (example,) = training_examples([{"id": "x", "prompt": "How?", "response": "So"}], tokenizer, "chat", 50)
    assert example.tokens[-1] == EOS
