import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from elasticity.core.errors import UserError
from elasticity.data.examples import (
    IGNORED,
    Example,
    batched,
    blocks,
    collate,
    epochs,
    response_examples,
    shuffled,
    training_examples,
)
from elasticity.models.tokenizer import decode
from tests.unit.conftest import plain

IDENTITIES = st.lists(st.text(max_size=4), unique=True, max_size=12)
EXAMPLES = st.lists(
    st.lists(st.integers(3, 319), min_size=2, max_size=9).flatmap(
        lambda tokens: st.builds(Example, st.just(tokens), st.integers(1, len(tokens) - 1))
    ),
    min_size=1,
    max_size=5,
)


def row(**changes: object) -> dict[str, object]:
    return {
        "prompt_id": "p7",
        "prompt_tokens": [0, 40, 41],
        "response_tokens": [50, 51, 52],
        "stop_token": 1,
    } | changes


# Texts


def test_a_text_has_bos_and_eos_tokens(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> None:
    for example, sentence in zip(training_examples(plain(sentences), tokenizer, "plain", 100), sentences, strict=True):
        assert example.tokens[0] == tokenizer.bos_token_id
        assert example.tokens[-1] == tokenizer.eos_token_id
        assert decode(tokenizer, example.tokens) == sentence
        assert example.response_start == 1


def test_a_long_text_is_cut_off(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> None:
    whole, cut = (training_examples(plain(sentences), tokenizer, "plain", length) for length in (100, 7))
    assert [example.tokens for example in cut] == [example.tokens[:7] for example in whole]


@pytest.mark.parametrize("text", ["</s>", "a </s> b", "<s>", "<pad>"])
def test_text_that_looks_like_a_special_token_is_text(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    (example,) = training_examples(plain([text]), tokenizer, "plain", 100)
    assert not set(example.tokens[1:-1]) & set(tokenizer.all_special_ids)
    assert decode(tokenizer, example.tokens) == text


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_every_text_can_be_encoded_and_decoded(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    (example,) = training_examples(plain([text]), tokenizer, "plain", 1000)
    assert decode(tokenizer, example.tokens) == text


# Responses


def test_a_response_follows_its_prompt_and_ends_if_it_is_finished(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    finished, unfinished, silent = response_examples(
        [row(), row(stop_token=None), row(response_tokens=[])], tokenizer, max_length=100
    )
    assert finished == Example([bos, 40, 41, 50, 51, 52, eos], 3, "p7")
    assert unfinished == Example([bos, 40, 41, 50, 51, 52], 3, "p7")
    assert silent == Example([bos, 40, 41, eos], 3, "p7")


def test_only_the_response_has_a_loss(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = collate(response_examples([row(), row(response_tokens=[])], tokenizer, 100), pad=2)
    eos = tokenizer.eos_token_id
    assert batch.labels[:, :3].unique().tolist() == [IGNORED]
    assert batch.labels[:, 3:].tolist() == [[50, 51, 52, eos], [eos, IGNORED, IGNORED, IGNORED]]
    assert batch.targets == 5


@pytest.mark.parametrize(("changes", "length"), [({}, 3), ({"response_tokens": [], "stop_token": None}, 100)])
def test_a_response_without_a_target_is_an_error_that_names_its_prompt(
    tokenizer: PreTrainedTokenizerFast, changes: dict[str, object], length: int
) -> None:
    with pytest.raises(UserError, match=rf"example p7 .* max_length {length}"):
        response_examples([row(prompt_id="p6"), row(**changes)][1:], tokenizer, length)


# Blocks


@pytest.mark.parametrize("length", [2, 5, 16])
def test_blocks_are_the_joined_texts_without_gaps(
    tokenizer: PreTrainedTokenizerFast, sentences: list[str], length: int
) -> None:
    examples = training_examples(plain(sentences), tokenizer, "plain", 1000)
    stream = [token for example in examples for token in example.tokens]
    cut = blocks(sentences, tokenizer, length)
    assert {len(example.tokens) for example in cut} == {length}
    assert [token for example in cut for token in example.tokens] == stream[: len(stream) // length * length]


# Orders


@given(IDENTITIES, st.integers(0, 99))
def test_an_order_holds_every_index_once(identities: list[str], seed: int) -> None:
    assert sorted(shuffled(identities, seed)) == list(range(len(identities)))


@given(IDENTITIES, st.data())
def test_the_order_of_items_does_not_depend_on_other_items(identities: list[str], data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.sampled_from(identities), unique=True)) if identities else []
    whole = [identities[i] for i in shuffled(identities, 3)]
    assert [kept[i] for i in shuffled(kept, 3)] == [identity for identity in whole if identity in kept]


def test_different_seeds_give_different_orders() -> None:
    assert shuffled("abcdefgh", 1) != shuffled("abcdefgh", 2)


def test_further_epochs_hold_the_same_examples_in_new_orders() -> None:
    examples = [Example([1, i], 1) for i in range(10, 18)]
    run = epochs(examples, list("abcdefgh"), 3, seed=1)
    parts = [run[:8], run[8:16], run[16:]]
    assert parts[0] == examples
    assert all(sorted(part, key=str) == examples for part in parts)
    assert parts[0] != parts[1] != parts[2]


# Batches


@given(EXAMPLES, st.integers(0, 2))
def test_padding_is_neither_attended_to_nor_a_target(examples: list[Example], pad: int) -> None:
    batch = collate(examples, pad)
    for i, example in enumerate(examples):
        length = len(example.tokens)
        assert batch.tokens[i].tolist() == example.tokens + [pad] * (batch.tokens.shape[1] - length)
        assert batch.attention[i].tolist() == [int(place < length) for place in range(batch.tokens.shape[1])]
        targets = (batch.labels[i] != IGNORED).nonzero().flatten().tolist()
        assert targets == list(range(example.response_start, length))
    assert torch.equal(batch.labels[batch.labels != IGNORED], batch.tokens[batch.labels != IGNORED])


@given(EXAMPLES, st.integers(1, 6))
def test_batches_hold_the_examples_in_order(examples: list[Example], batch_size: int) -> None:
    batches = batched(examples, batch_size, pad=2)
    rows = [tokens[kept.bool()].tolist() for b in batches for tokens, kept in zip(b.tokens, b.attention, strict=True)]
    assert rows == [example.tokens for example in examples]
    assert [len(batch.tokens) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)


def test_no_texts_give_no_examples(tokenizer: PreTrainedTokenizerFast) -> None:
    assert training_examples(plain([]), tokenizer, "plain", 8) == []
