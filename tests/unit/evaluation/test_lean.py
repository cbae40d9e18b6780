"""Code lengths of the beginnings of held-out responses, from which the lean is computed."""

import math
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.core.tables import write_table
from elasticity.data.schemas import EXAMPLES
from elasticity.evaluation.jobs import LeanReading
from elasticity.evaluation.lean import beginnings, lean_rows
from elasticity.models.tokenizer import encode
from tests.unit.conftest import plain


@pytest.fixture
def files(tmp_path: Path, sentences: list[str]) -> list[Path]:
    """A file of texts for each side."""
    found = []
    for side, texts in (("positive", sentences[:4]), ("negative", sentences[4:])):
        path = tmp_path / f"held-out-{side}.parquet"
        write_table(path, [row | {"side": side, "id": f"{side} {row['id']}"} for row in plain(texts)], EXAMPLES)
        found.append(path)
    return found


@pytest.mark.parametrize("tokens", [1, 5, 400])
def test_the_first_tokens_of_each_text_are_measured(
    files: list[Path], sentences: list[str], tokenizer: PreTrainedTokenizerFast, tokens: int
) -> None:
    found = beginnings(files, tokenizer, LeanReading(template="plain", tokens=tokens, texts=4))
    assert [it.side for it in found] == 4 * ["positive"] + 4 * ["negative"]
    for it, whole, sentence in zip(found, encode(tokenizer, sentences), sentences, strict=True):
        assert it.tokens == min(tokens, len(whole) + 1)  # the EOS token ends a whole text
        assert it.example.tokens[1:] == [*whole, tokenizer.eos_token_id][:tokens]
        if tokens > len(whole):
            assert it.utf8_bytes == len(sentence.encode())


def test_of_a_response_the_prompt_is_context_only(
    tmp_path: Path, sentences: list[str], tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = [row | {"prompt": f"{sentences[0]} "} for row in plain(sentences)]
    write_table(tmp_path / "pairs.parquet", rows, EXAMPLES)
    found = beginnings([tmp_path / "pairs.parquet"], tokenizer, LeanReading(template="conversation", tokens=3, texts=8))
    for it, response in zip(found, encode(tokenizer, sentences), strict=True):
        assert it.example.tokens[it.example.response_start :] == response[:3]
        assert it.example.response_start > len(encode(tokenizer, [sentences[0]])[0])


def test_a_uniform_model_needs_log_of_the_vocabulary_for_each_token(
    files: list[Path], tokenizer: PreTrainedTokenizerFast, uniform_model: PreTrainedModel
) -> None:
    texts = beginnings(files, tokenizer, LeanReading(template="plain", tokens=6, texts=4))
    for row in lean_rows(uniform_model, texts, tokenizer.pad_token_id):
        assert row["nats"] == pytest.approx(row["tokens"] * math.log(320), rel=1e-5)


def test_code_lengths_are_those_of_single_texts(
    files: list[Path], tokenizer: PreTrainedTokenizerFast, model: PreTrainedModel
) -> None:
    texts = beginnings(files, tokenizer, LeanReading(template="plain", tokens=6, texts=4))
    for row, text in zip(lean_rows(model, texts, tokenizer.pad_token_id), texts, strict=True):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([text.example.tokens])).logits[0, :-1]
        labels = torch.tensor(text.example.tokens[1:])
        assert row["nats"] == pytest.approx(torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item())
        assert (row["side"], row["id"]) == (text.side, text.example.identity)


def test_a_block_is_so_many_texts_of_each_file(files: list[Path], tokenizer: PreTrainedTokenizerFast) -> None:
    every = beginnings(files, tokenizer, LeanReading(template="plain", tokens=5, texts=2))
    blocks = [
        beginnings(files, tokenizer, LeanReading(template="plain", tokens=5, texts=2, block=block)) for block in (0, 1)
    ]
    assert blocks[0] == [every[i] for i in (0, 1, 4, 5)]
    assert blocks[1] == [every[i] for i in (2, 3, 6, 7)]
