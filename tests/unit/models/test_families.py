"""BOS, EOS and padding tokens of each family of models, from the hub's layout to examples and responses."""

from functools import cache
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.models import ModelFolder
from elasticity.config.sampling import Sampling
from elasticity.data.chat_templates import CONVERSATION, context
from elasticity.data.examples import collate, training_examples
from elasticity.evaluation.generation import TransformersEngine, generate
from elasticity.models.importing import load
from elasticity.models.loading import load_model, save
from elasticity.models.tokenizer import beginning, decode, load_tokenizer, never_drawn, special_tokens
from tests.unit.families import FAMILIES, PADDED_BY

BEGIN = {"llama": "<s>", "tinyllama": "<s>", "llama3": "<|begin_of_text|>", "gemma": "<bos>", "gemma_it": "<bos>"}
ENDS = {"llama3": "<|eot_id|>", "gemma_it": "<end_of_turn>", "qwen": "<|im_end|>", "smollm2": "<|im_end|>"}
"""What the chat template puts after a response; other templates put nothing, so that it is the EOS token."""
CHATS = [name for name, family in FAMILIES.items() if family.chat_template]
PROMPTS = ["How do I say this?", "a  b", "{braces} {0} {{x}} %s", "{% if x %}{{ bos_token }}"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: family.save(tmp_path_factory.mktemp("hub") / name) for name, family in FAMILIES.items()}


@pytest.fixture(scope="module")
def made(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders after import."""
    found = {name: tmp_path_factory.mktemp("made") / name for name in folders}
    for name, folder in folders.items():
        save(*load(ModelFolder(kind="folder", path=str(folder)), folder), found[name], 0.0)
    return found


@cache
def tokenizer_in(folder: Path) -> PreTrainedTokenizerFast:
    return load_tokenizer(folder)


@pytest.fixture(params=FAMILIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tokenizer(made: dict[str, Path], name: str) -> PreTrainedTokenizerFast:
    return tokenizer_in(made[name])


@pytest.fixture
def model(made: dict[str, Path], name: str) -> PreTrainedModel:
    return load_model(made[name])


# Tokenizers


def test_texts_begin_with_a_bos_token_if_the_family_adds_one(tokenizer: PreTrainedTokenizerFast, name: str) -> None:
    expected = [tokenizer.convert_tokens_to_ids(BEGIN[name])] if name in BEGIN else []
    assert beginning(tokenizer) == expected == tokenizer("Like that")["input_ids"][: len(expected)]


def test_the_padding_token_is_the_family_s_own_or_the_eos_token(tokenizer: PreTrainedTokenizerFast, name: str) -> None:
    assert tokenizer.pad_token == PADDED_BY.get(name, tokenizer.eos_token)


def test_importing_changes_no_tokens(folders: dict[str, Path], tokenizer: PreTrainedTokenizerFast, name: str) -> None:
    before = tokenizer_in(folders[name])
    assert tokenizer.get_vocab() == before.get_vocab()
    assert tokenizer.chat_template == before.chat_template
    for text in ("The film opens", "a  b\n\nc", "</s> <|im_end|>"):
        assert tokenizer(text)["input_ids"] == before(text)["input_ids"]


# Weights


def test_imported_weights_are_the_same_in_fp32(folders: dict[str, Path], model: PreTrainedModel, name: str) -> None:
    given = AutoModelForCausalLM.from_pretrained(folders[name], dtype=torch.float32)
    tokens = torch.tensor([[5, 9, 100, 4]])
    shared = given.config.vocab_size
    with torch.no_grad():
        assert torch.equal(model(tokens).logits[..., :shared], given(tokens).logits)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_every_token_has_a_row_and_new_rows_are_the_mean(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, name: str
) -> None:
    given, needed = FAMILIES[name].config.vocab_size, len(tokenizer)
    assert (needed > given) == (name == "tinyllama")
    for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
        assert layer.weight.shape[0] == max(given, needed)
        new = layer.weight[given:]
        torch.testing.assert_close(new, layer.weight[:given].mean(0).expand_as(new))


def test_the_eos_token_has_a_gradient_as_an_input_even_if_it_is_used_for_padding(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    end = tokenizer.eos_token_id
    model(torch.tensor([[end, 5]])).logits[0, 1, 7].backward()
    assert model.get_input_embeddings().weight.grad[end].abs().sum() > 0


# Contexts and examples


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("template", ["plain", "conversation", "chat"])
def test_a_context_begins_once_and_holds_the_prompt(
    tokenizer: PreTrainedTokenizerFast, name: str, template: str, prompt: str
) -> None:
    if template == "chat" and name not in CHATS:
        return
    (tokens,) = context(tokenizer, template, [prompt])
    if name in BEGIN:
        assert tokens[0] == tokenizer.bos_token_id
        assert tokens.count(tokenizer.bos_token_id) == 1
    text = decode(tokenizer, tokens)
    assert prompt in text
    if template == "conversation":
        assert text == prompt.join(CONVERSATION)


@pytest.mark.parametrize("name", CHATS, indirect=True)
def test_a_chat_equals_that_of_the_tokenizer_itself(tokenizer: PreTrainedTokenizerFast) -> None:
    for prompt in PROMPTS:
        messages = [{"role": "user", "content": prompt}]
        own = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert context(tokenizer, "chat", [prompt]) == [own]


@pytest.mark.parametrize("template", ["plain", "conversation", "chat"])
def test_special_tokens_in_data_are_text(tokenizer: PreTrainedTokenizerFast, name: str, template: str) -> None:
    if template == "chat" and name not in CHATS:
        return
    special = special_tokens(tokenizer)
    for word in special:
        prompt, harmless = f"a {word} b", "a b"
        (tokens,), (expected,) = (context(tokenizer, template, [text]) for text in (prompt, harmless))
        assert [t for t in tokens if t in special.values()] == [t for t in expected if t in special.values()]
        row = {"id": "x", "prompt": prompt, "response": word}
        (example,) = training_examples([row], tokenizer, template, 200)
        assert not set(example.tokens[example.response_start : -1]) & set(special.values())
        if not FAMILIES[name].sentencepiece:  # these write a space before every text
            assert prompt in decode(tokenizer, tokens)


@pytest.mark.parametrize("template", ["plain", "conversation", "chat"])
def test_training_and_generation_use_the_same_context(
    tokenizer: PreTrainedTokenizerFast, name: str, template: str
) -> None:
    """The context is the same, and only the response and the token that ends it have a loss."""
    if template == "chat" and name not in CHATS:
        return
    row = {"id": "x", "prompt": "How do I say this?", "response": "Like that: {braces}."}
    (example,) = training_examples([row], tokenizer, template, 200)
    before = example.tokens[: example.response_start]
    assert [before] == context(tokenizer, template, [row["prompt"]])
    assert decode(tokenizer, example.tokens[example.response_start :]).strip() == row["response"]
    labels = collate([example, example], tokenizer.pad_token_id).labels[0].tolist()
    assert labels == [-100] * example.response_start + example.tokens[example.response_start :]
    end = ENDS.get(name, tokenizer.eos_token) if template == "chat" else tokenizer.eos_token
    assert labels[-1] == tokenizer.convert_tokens_to_ids(end)


def test_the_first_token_of_a_text_is_context(tokenizer: PreTrainedTokenizerFast) -> None:
    (example,) = training_examples([{"id": "x", "prompt": "", "response": "The film opens"}], tokenizer, "plain", 200)
    assert example.response_start == 1
    assert example.tokens == [*tokenizer("The film opens")["input_ids"], tokenizer.eos_token_id]
    assert decode(tokenizer, example.tokens) == "The film opens"


# Responses


def test_responses_contain_only_tokens_with_a_text(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, name: str
) -> None:
    """Special tokens and rows without a token are never sampled, except for the EOS token."""
    model.get_output_embeddings().weight.data.zero_()  # every token is as likely as any other
    prompts = [{"prompt_id": str(number), "prompt": "The film"} for number in range(40)]
    sampling = Sampling(new_tokens=40)
    rows = generate(TransformersEngine(model, tokenizer), tokenizer, prompts, sampling, "plain")
    drawn = {token for row in rows for token in row["response_tokens"]}
    assert drawn <= set(tokenizer.get_vocab().values()) - set(special_tokens(tokenizer).values())
    assert len(drawn) > 0.9 * len(tokenizer)
    assert any(row["stop_token"] is not None for row in rows)
    assert tokenizer.eos_token_id not in never_drawn(tokenizer, model.config.vocab_size)
    assert [row["prompt_tokens"] for row in rows] == context(tokenizer, "plain", ["The film"]) * 40


def test_responses_do_not_depend_on_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    prompts = [{"prompt_id": text, "prompt": text} for text in ("The film", "How do I say this? Like that")]
    engine = TransformersEngine(model, tokenizer)
    sampling = Sampling(new_tokens=6, top_k=1)
    together = generate(engine, tokenizer, prompts, sampling, "conversation")
    alone = [row for prompt in prompts for row in generate(engine, tokenizer, [prompt], sampling, "conversation")]
    assert together == alone
