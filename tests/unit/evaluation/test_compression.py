"""Compression rates against closed forms, hand-computed numbers, and sums token by token."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import processors
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.compression import Reading
from elasticity.core.errors import UserError
from elasticity.data.examples import Example
from elasticity.evaluation import compression
from elasticity.evaluation.compression import check_window, rates, read_texts, start, targets, windows
from elasticity.evaluation.likelihood import code_lengths
from elasticity.models.tokenizer import train_tokenizer

READING = Reading(window=8, stride=3)


class Bigram(torch.nn.Module):
    """A model whose next token depends on the last one only."""

    device = torch.device("cpu")

    def __init__(self, table: list[list[float]]) -> None:
        super().__init__()
        self.logits = torch.tensor(table).log()
        self.config = SimpleNamespace(vocab_size=len(table))

    @property
    def base_model(self) -> torch.nn.Module:
        """The model itself, as in transformers for a model without a base."""
        return self

    def forward(self, input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(logits=self.logits[input_ids])


def bigram(table: list[list[float]]) -> Any:
    return Bigram(table)


# Windows


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    window = draw(st.integers(2, 12))
    return Reading(window=window, stride=draw(st.integers(1, window - 1)))


@given(st.integers(0, 60), readings())
def test_every_token_is_predicted_once_in_the_first_window_that_holds_it(length: int, reading: Reading) -> None:
    tokens, room = list(range(100, 100 + length)), reading.window - 1
    found = [
        (window.tokens[:place], window.tokens[place])
        for window in windows(tokens, 7, reading)
        for place in range(window.response_start, len(window.tokens))
    ]
    expected = []
    for place, token in enumerate(tokens):
        begin = next(i for i in range(0, length, reading.stride) if i <= place < i + room)
        expected.append(([7, *tokens[begin:place]], token))
    assert found == expected


@given(st.integers(0, 60), readings())
def test_no_window_is_longer_than_the_setting(length: int, reading: Reading) -> None:
    found = windows(range(length), 7, reading)
    assert all(len(window.tokens) <= reading.window for window in found)
    assert targets(found) == length


def test_windows_may_not_leave_gaps() -> None:
    with pytest.raises(ValueError, match=r"stride \(8\) must be less than window \(8\)"):
        Reading(window=8, stride=8)


def test_windows_longer_than_the_context_are_refused(model: PreTrainedModel) -> None:
    check_window(Reading(window=64, stride=8), model, Path("given"))
    with pytest.raises(UserError, match="window is 65, but the model in given reads 64 tokens"):
        check_window(Reading(window=65, stride=8), model, Path("given"))


def test_special_tokens_are_neither_predicted_nor_parsed(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "</s> The <s>film"
    (read,) = read_texts([text], tokenizer, READING)
    tokens = [token for window in read for token in window.tokens[window.response_start :]]
    assert not {*tokens} & {*tokenizer.all_special_ids}
    assert tokenizer.decode(tokens) == text
    assert {window.tokens[0] for window in read} == {tokenizer.bos_token_id}


def test_without_a_bos_token_windows_begin_with_the_eos_token(sentences: list[str]) -> None:
    tokenizer = train_tokenizer(sentences, 320)
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel()
    assert start(tokenizer) == tokenizer.eos_token_id


# Rates


def test_a_uniform_model_takes_the_logarithm_of_the_vocabulary(
    uniform_model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, sentences: list[str]
) -> None:
    texts = read_texts(sentences, tokenizer, READING)
    for text, found in zip(texts, rates(uniform_model, uniform_model, texts, tokenizer.pad_token_id), strict=True):
        expected = targets(text) * math.log(320)
        for name in ("nats", "entropy_nats", "base_entropy_nats", "cross_nats", "base_cross_nats"):
            assert found[name] == pytest.approx(expected, rel=1e-14)
        assert (found["to_base_nats"], found["from_base_nats"]) == (0, 0)


def test_tokens_are_predicted_from_the_tokens_before_them() -> None:
    """Windows begin with token 2; a shift by one place, or no first token, would give other numbers."""
    model = bigram([[1 / 8, 3 / 4, 1 / 8], [1 / 2, 1 / 4, 1 / 4], [1 / 2, 3 / 8, 1 / 8]])
    other = bigram([[1 / 4, 1 / 4, 1 / 2], [1 / 4, 1 / 4, 1 / 2], [1 / 4, 1 / 2, 1 / 4]])
    (found,) = rates(model, other, [windows([0, 1, 1], 2, Reading())], 0)
    after_2 = 0.5 * math.log(2) + 0.375 * math.log(0.75) + 0.125 * math.log(0.5)
    after_0 = 0.125 * math.log(0.5) + 0.75 * math.log(3) + 0.125 * math.log(0.25)
    after_1 = 0.5 * math.log(2) + 0.25 * math.log(0.5)
    entropies = math.log(2) / 2 + 0.375 * math.log(8 / 3) + math.log(8) / 8
    entropies += 2 * math.log(8) / 8 + 0.75 * math.log(4 / 3) + math.log(2) / 2 + 2 * math.log(4) / 4
    assert found["nats"] == pytest.approx(math.log(2 * (4 / 3) * 4), rel=1e-6)
    assert found["entropy_nats"] == pytest.approx(entropies, rel=1e-6)
    assert found["base_entropy_nats"] == pytest.approx(3 * 1.5 * math.log(2), rel=1e-6)
    assert found["to_base_nats"] == pytest.approx(after_2 + after_0 + after_1, rel=1e-6)


def test_sums_equal_those_computed_token_by_token(
    model: PreTrainedModel,
    fresh_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerFast,
    sentences: list[str],
) -> None:
    base = fresh_model()
    texts = read_texts(sentences[:3], tokenizer, READING)
    for text, found in zip(texts, rates(model, base, texts, tokenizer.pad_token_id), strict=True):
        expected = dict.fromkeys(compression.SUMS, 0.0)
        for window in text:
            for place in range(window.response_start, len(window.tokens)):
                context = torch.tensor([window.tokens[:place]])
                with torch.no_grad():
                    p, q = (m(input_ids=context).logits[0, -1].double().softmax(-1) for m in (model, base))
                expected["nats"] -= float(p[window.tokens[place]].log())
                expected["entropy_nats"] -= float((p * p.log()).sum())
                expected["base_entropy_nats"] -= float((q * q.log()).sum())
                expected["cross_nats"] -= float((p * q.log()).sum())
                expected["base_cross_nats"] -= float((q * p.log()).sum())
                expected["to_base_nats"] += float((p * (p / q).log()).sum())
                expected["from_base_nats"] += float((q * (q / p).log()).sum())
        assert found == pytest.approx(expected, rel=1e-5)


def test_cross_entropies_are_sums_of_entropies_and_divergences(
    model: PreTrainedModel,
    uniform_model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    sentences: list[str],
) -> None:
    for found in rates(model, uniform_model, read_texts(sentences, tokenizer, READING), tokenizer.pad_token_id):
        assert found["cross_nats"] == pytest.approx(found["entropy_nats"] + found["to_base_nats"], rel=1e-12)
        assert found["base_cross_nats"] == pytest.approx(
            found["base_entropy_nats"] + found["from_base_nats"], rel=1e-12
        )
        assert min(found["to_base_nats"], found["from_base_nats"]) > 1


def test_a_text_shorter_than_the_window_is_read_in_one_pass(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, sentences: list[str]
) -> None:
    texts = read_texts(sentences, tokenizer, Reading(window=100, stride=10))
    assert [len(text) for text in texts] == [1] * len(sentences)
    lengths = code_lengths(model, [text[0] for text in texts], tokenizer.pad_token_id)
    assert [found["nats"] for found in rates(model, model, texts, tokenizer.pad_token_id)] == pytest.approx(lengths)


def test_an_empty_text_has_zero_sums(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    empty, other = rates(model, model, read_texts(["", "a"], tokenizer, READING), tokenizer.pad_token_id)
    assert set(empty.values()) == {0}
    assert other["nats"] > 0


@pytest.mark.parametrize("at_once", [(1, 1), (20, 320 * 3), (2**20, 2**30)])
def test_the_limits_on_memory_do_not_change_the_rates(
    model: PreTrainedModel,
    fresh_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerFast,
    sentences: list[str],
    monkeypatch: pytest.MonkeyPatch,
    at_once: tuple[int, int],
) -> None:
    def sums(texts: list[list[Example]]) -> list[dict[str, float]]:
        return rates(model, base, texts, tokenizer.pad_token_id)

    base = fresh_model()
    texts = read_texts(sentences, tokenizer, READING)
    one_by_one = [sums([text])[0] for text in texts]
    monkeypatch.setitem(compression.AT_ONCE, "cpu", at_once)
    assert sums(texts) == [pytest.approx(found, rel=1e-5) for found in one_by_one]
