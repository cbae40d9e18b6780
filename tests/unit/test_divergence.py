"""Divergences against sums over the whole vocabulary, written out."""

from collections.abc import Callable

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.divergence import divergences
from elasticity.examples import Example, training_examples
from tests.unit.conftest import plain


@pytest.fixture
def examples(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> list[Example]:
    """Of different lengths, and with contexts of different lengths."""
    whole = training_examples(plain(sentences), tokenizer, "plain", 60)
    return [Example(example.tokens, 1 + i % 3) for i, example in enumerate(whole)]


def test_a_model_is_not_away_from_itself(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, examples: list[Example]
) -> None:
    assert divergences(model, model, examples, tokenizer.pad_token_id) == [0.0] * len(examples)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_every_token_of_the_answer_counts_once(
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
        for place in range(example.answer_start, len(example.tokens)):
            context = torch.tensor([example.tokens[:place]])
            with torch.no_grad():
                p, q = (m(input_ids=context).logits[0, -1].double().softmax(-1) for m in (model, other))
            expected += float((p * (p / q).log()).sum())
        assert expected > 0.01
        assert nats == pytest.approx(expected, rel=1e-4)


def test_from_a_uniform_model_it_is_what_is_missing_of_the_largest_entropy(
    model: PreTrainedModel,
    uniform_model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    examples: list[Example],
) -> None:
    (nats,) = divergences(model, uniform_model, examples[:1], tokenizer.pad_token_id)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([examples[0].tokens])).logits[0, examples[0].answer_start - 1 : -1]
    entropies = torch.distributions.Categorical(logits=logits.double()).entropy()
    largest = torch.tensor(float(model.config.vocab_size), dtype=torch.float64).log()
    assert nats == pytest.approx(float((largest - entropies).sum()), rel=1e-4)
