"""Arithmetic coding: restored symbols and code lengths, with fixed distributions and with those of a model."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.compression import Reading
from elasticity.evaluation.arithmetic_coding import Probabilities, decode, encode, pack, unpack
from elasticity.evaluation.compression import rates, read_texts

READING = Reading(window=8, stride=3)
TEXTS = ["", " ", "🙂🏳️‍🌈 e\u0301 日本", "</s><s> <pad>", "\0\r\n\t", "A warm, funny picture that nobody has seen. " * 5]


class Given:
    """Predicts given distributions one after another."""

    def __init__(self, distributions: Sequence[Probabilities]) -> None:
        self.distributions = iter(distributions)

    def predict(self) -> Probabilities:
        return next(self.distributions)

    def see(self, symbol: int) -> None:
        """Ignore the symbol."""


def promised(symbols: Sequence[int], distributions: Sequence[Probabilities]) -> float:
    """Bits."""
    return -sum(math.log2(given[symbol]) for symbol, given in zip(symbols, distributions, strict=True))


def packed_bits(symbols: Sequence[int], distributions: Sequence[Probabilities]) -> int:
    """Return the length of a code in bits, after checking that it restores the symbols."""
    code = encode(symbols, Given(distributions))
    assert decode(code, len(symbols), Given(distributions)) == list(symbols)
    return 8 * len(code)


@st.composite
def messages(draw: st.DrawFn) -> tuple[list[int], list[Probabilities]]:
    """Symbols with distributions in which some are almost impossible and others almost certain."""
    size = draw(st.integers(1, 6))
    weights = st.lists(st.sampled_from([1e-300, 1e-12, 1e-6, 0.01, 0.3, 1.0]), min_size=size, max_size=size)
    drawn = [np.array(row) / sum(row) for row in draw(st.lists(weights, max_size=30))]
    return [draw(st.integers(0, size - 1)) for _ in drawn], drawn


@given(messages())
def test_any_symbols_are_restored_within_the_bound_on_the_length(message: Any) -> None:
    assert packed_bits(*message) <= promised(*message) + 8 + 1e-6


def test_symbols_of_probability_zero_are_restored() -> None:
    assert packed_bits([1, 0, 1], [np.array([1.0, 0.0])] * 3) <= 2 * 48 + 8


@pytest.mark.parametrize("size", [2, 300, 150_000])
def test_uniform_symbols_take_the_logarithm_of_their_number(size: int) -> None:
    symbols = np.random.default_rng(0).integers(0, size, 200).tolist()
    bits = packed_bits(symbols, [np.full(size, 1 / size)] * 200)
    assert bits == pytest.approx(200 * math.log2(size), rel=1e-9, abs=8)


@pytest.mark.parametrize("size", [3, 2000, 100_000])
def test_code_lengths_equal_minus_log2_of_the_probabilities(size: int) -> None:
    """The least likely symbols are the worst case of coders with few bits."""
    random = np.random.default_rng(0)
    distributions = [random.dirichlet(np.full(size, 0.3)) + 1e-12 for _ in range(50)]
    distributions = [given / given.sum() for given in distributions]
    likely = [int(random.choice(size, p=given)) for given in distributions]
    unlikely = [int(given.argmin()) for given in distributions]
    for symbols in (likely, unlikely):
        assert packed_bits(symbols, distributions) == pytest.approx(promised(symbols, distributions), rel=1e-3, abs=8)


def test_no_symbols_take_no_bytes_and_certain_symbols_few() -> None:
    assert encode([], Given([])) == b""
    assert packed_bits([0] * 1000, [np.array([1 - 1e-9, 1e-9])] * 1000) <= 8


# With a model


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_restored_by_a_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    code, count = pack(text, model, tokenizer, READING)
    assert unpack(code, count, model, tokenizer, READING) == text


@settings(max_examples=15)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_any_text_is_restored_by_a_model(text: str, random_model: Any) -> None:
    model, tokenizer = random_model
    code, count = pack(text, model, tokenizer, READING)
    assert unpack(code, count, model, tokenizer, READING) == text


@pytest.fixture(scope="module")
def random_model(fresh_model: Any, tokenizer: PreTrainedTokenizerFast) -> Any:
    return fresh_model(), tokenizer


@pytest.mark.parametrize("reading", [READING, Reading(window=64, stride=32)])
def test_code_lengths_agree_with_the_compression_rates(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, sentences: list[str], reading: Reading
) -> None:
    text = " ".join(sentences)
    (found,) = rates(model, model, read_texts([text], tokenizer, reading), tokenizer.pad_token_id)
    code, count = pack(text, model, tokenizer, reading)
    assert 8 * len(code) == pytest.approx(found["nats"] / math.log(2), rel=1e-3, abs=8)
    assert count > 64


def test_a_uniform_model_takes_log2_of_the_vocabulary_per_token(
    uniform_model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, sentences: list[str]
) -> None:
    code, count = pack(sentences[0], uniform_model, tokenizer, READING)
    assert 8 * len(code) == pytest.approx(count * math.log2(320), abs=8)
