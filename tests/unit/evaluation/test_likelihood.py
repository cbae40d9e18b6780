import math

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.data.examples import Example, response_examples, training_examples
from elasticity.evaluation.likelihood import code_lengths
from tests.unit.conftest import plain


@pytest.fixture
def examples(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> list[Example]:
    """Texts, and a response to a prompt, of different lengths."""
    row = {"prompt_id": "p", "prompt_tokens": [40, 50, 60], "response_tokens": [70, 80], "stop_token": 1}
    return [*training_examples(plain(sentences), tokenizer, "plain", 40), *response_examples([row], tokenizer, 40)]


def by_hand(model: PreTrainedModel, example: Example) -> float:
    """Return −Σ log p, with a forward pass over the preceding tokens for every token."""
    nats = 0.0
    for place in range(example.response_start, len(example.tokens)):
        with torch.inference_mode():
            logits = model(torch.tensor([example.tokens[:place]])).logits[0, -1]
        nats -= logits.double().log_softmax(0)[example.tokens[place]].item()
    return nats


def test_a_code_length_is_the_sum_over_the_target_tokens(model: PreTrainedModel, examples: list[Example]) -> None:
    model.eval()
    expected = [by_hand(model, example) for example in examples]
    assert code_lengths(model, examples, 2) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_code_lengths_do_not_depend_on_the_batch_size(
    model: PreTrainedModel, examples: list[Example], batch_size: int
) -> None:
    together = code_lengths(model, examples, 2)
    assert code_lengths(model, examples, 2, batch_size) == pytest.approx(together, rel=1e-6)


def test_code_lengths_come_in_the_order_of_the_examples(model: PreTrainedModel, examples: list[Example]) -> None:
    lengths = code_lengths(model, examples, 2, 3)
    assert code_lengths(model, examples[::-1], 2, 3)[::-1] == pytest.approx(lengths, rel=1e-6)


def test_the_padding_token_does_not_matter(model: PreTrainedModel, examples: list[Example]) -> None:
    assert code_lengths(model, examples, 2) == code_lengths(model, examples, 77)


def test_a_uniform_model_needs_log_v_nats_per_token(uniform_model: PreTrainedModel, examples: list[Example]) -> None:
    targets = [len(example.tokens) - example.response_start for example in examples]
    expected = [count * math.log(320) for count in targets]
    assert code_lengths(uniform_model, examples, 2) == pytest.approx(expected, rel=1e-6)
