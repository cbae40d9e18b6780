"""KL divergences against direct sums over the whole vocabulary."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.data.examples import Example, training_examples
from elasticity.evaluation.likelihood import code_lengths, compared, divergences
from tests.unit.conftest import plain


@pytest.fixture
def examples(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> list[Example]:
    """Examples of different lengths with contexts of different lengths."""
    whole = training_examples(plain(sentences), tokenizer, "plain", 60)
    return [Example(example.tokens, 1 + i % 3) for i, example in enumerate(whole)]


def test_the_divergence_of_a_model_from_itself_is_zero(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, examples: list[Example]
) -> None:
    assert divergences(model, model, examples, tokenizer.pad_token_id) == [0.0] * len(examples)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_every_token_of_the_response_counts_once(
    model: PreTrainedModel,
    fresh_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerFast,
    examples: list[Example],
    batch_size: int,
) -> None:
    other = fresh_model()
    found = divergences(model, other, examples, tokenizer.pad_token_id, batch_size)
    for example, nats in zip(examples, found, strict=True):
        expected = 0.0
        for place in range(example.response_start, len(example.tokens)):
            context = torch.tensor([example.tokens[:place]])
            with torch.no_grad():
                p, q = (m(input_ids=context).logits[0, -1].double().softmax(-1) for m in (model, other))
            expected += float((p * (p / q).log()).sum())
        assert expected > 0.01
        assert nats == pytest.approx(expected, rel=1e-4)


def test_models_that_are_compared_have_the_code_lengths_of_each(
    model: PreTrainedModel,
    fresh_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerFast,
    examples: list[Example],
) -> None:
    other, pad = fresh_model(), tokenizer.pad_token_id
    found = compared(model, other, examples, pad)
    assert [pair.nats for pair in found] == pytest.approx(code_lengths(model, examples, pad), rel=1e-5)
    assert [pair.other_nats for pair in found] == pytest.approx(code_lengths(other, examples, pad), rel=1e-5)
    assert [pair.kl_nats for pair in found] == divergences(model, other, examples, pad)


def test_the_divergence_from_a_uniform_model_is_log_v_minus_the_entropy(
    model: PreTrainedModel,
    uniform_model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    examples: list[Example],
) -> None:
    (nats,) = divergences(model, uniform_model, examples[:1], tokenizer.pad_token_id)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([examples[0].tokens])).logits[0, examples[0].response_start - 1 : -1]
    entropies = torch.distributions.Categorical(logits=logits.double()).entropy()
    largest = torch.tensor(float(model.config.vocab_size), dtype=torch.float64).log()
    assert nats == pytest.approx(float((largest - entropies).sum()), rel=1e-4)


def test_small_divergences_are_positive(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, examples: list[Example]
) -> None:
    """Logits differ by 1e-5: the divergence is of second order, below the rounding of single precision."""
    other = copy.deepcopy(model)
    other.lm_head.weight = torch.nn.Parameter(model.lm_head.weight * (1 + 1e-5))
    found = divergences(model, other, examples, tokenizer.pad_token_id)
    assert all(0 < nats < 1e-6 for nats in found)


def test_the_divergence_is_the_expectation_of_the_log_ratio(
    model: PreTrainedModel, fresh_model: Callable[[], PreTrainedModel], tokenizer: PreTrainedTokenizerFast
) -> None:
    """It is the expectation of log p - log q of a response drawn without truncation."""
    other, context = fresh_model(), [5, 6, 7]
    responses = [Example([*context, token], 3) for token in range(model.config.vocab_size)]
    own, others = (code_lengths(m, responses, tokenizer.pad_token_id) for m in (model, other))
    expected = sum(math.exp(-mine) * (theirs - mine) for mine, theirs in zip(own, others, strict=True))
    (nats,) = divergences(model, other, responses[:1], tokenizer.pad_token_id)
    assert nats == pytest.approx(expected, rel=1e-4)
