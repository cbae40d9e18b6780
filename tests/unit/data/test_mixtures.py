"""Mixtures of sides in the texts of pre-training."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from elasticity.config.models import Mixture
from elasticity.core.errors import UserError
from elasticity.data.examples import in_shares, pretraining_sequences
from tests.unit.conftest import SHAPE

SHARES = st.floats(0.01, 0.99)
COUNTS = st.integers(1, 200)


def texts(negative: int, positive: int) -> list[dict[str, str]]:
    """Return texts of both sides, one side after the other."""
    return [
        {
            "id": f"{side} {number}",
            "side": side,
            "prompt": "",
            "response": f"{side} {number} " + 9 * "text ",
            "source": "",
        }
        for side, count in (("negative", negative), ("positive", positive))
        for number in range(count)
    ]


def shares(negative: float) -> dict[str, float]:
    return Mixture(negative=negative, positive=1 - negative).shares


@given(COUNTS, COUNTS, SHARES)
def test_there_are_as_many_places_as_the_rarer_side_has_texts(negative: int, positive: int, share: float) -> None:
    found = in_shares(texts(negative, positive), shares(share))
    assert len(found) == min(negative, positive)
    assert all(text["id"] == f"{text['side']} {place}" for place, text in enumerate(found))


@given(COUNTS, SHARES)
def test_every_beginning_has_the_shares(count: int, share: float) -> None:
    """Multiples of the golden ratio leave any share by at most a few places (their discrepancy is O(log n))."""
    found = in_shares(texts(count, count), shares(share))
    for length in range(1, count + 1):
        assert abs(Counter(text["side"] for text in found[:length])["negative"] - share * length) < 4


@given(COUNTS, SHARES, SHARES)
def test_two_mixtures_differ_in_as_few_places_as_their_shares_allow(count: int, one: float, other: float) -> None:
    first, second = (in_shares(texts(count, count), shares(share)) for share in (one, other))
    different = [(a, b) for a, b in zip(first, second, strict=True) if a["id"] != b["id"]]
    assert abs(len(different) - abs(one - other) * count) < 8
    assert len({(a["side"], b["side"]) for a, b in different}) <= 1  # never exchanged both ways


def test_a_side_without_a_share_is_left_out() -> None:
    assert {text["side"] for text in in_shares(texts(20, 20), Mixture(positive=1.0).shares)} == {"positive"}


def test_models_of_two_mixtures_are_trained_on_as_many_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = texts(40, 40)
    model = SHAPE.model_copy(update={"updates": 3})
    mixtures = [None, Mixture(negative=0.8, positive=0.2), Mixture(negative=0.2, positive=0.8)]
    found = [
        pretraining_sequences(model.model_copy(update={"mixture": mixture}), tokenizer, rows) for mixture in mixtures
    ]
    assert {(len(it), len(it[0].tokens)) for it in found} == {(6, 64)}
    assert found[1] != found[2]


def test_too_few_texts_for_a_mixture_are_an_error(tokenizer: PreTrainedTokenizerFast) -> None:
    model = SHAPE.model_copy(update={"updates": 30, "mixture": Mixture(positive=0.5, negative=0.5)})
    with pytest.raises(UserError, match="for this mixture"):
        pretraining_sequences(model, tokenizer, texts(3, 40))


def test_shares_must_add_up_to_one() -> None:
    with pytest.raises(ValueError, match=r"add up to 0\.9: correct them"):
        Mixture(positive=0.5, negative=0.4)
