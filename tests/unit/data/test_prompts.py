import copy
import time

from transformers import PreTrainedTokenizerFast

from elasticity.config.data import Beginnings
from elasticity.data.prompts import cut_prompts, questions
from elasticity.models.tokenizer import decode, encode

SETTINGS = Beginnings(tokenizer="nano", min_tokens=2, max_tokens=5)


def texts(sentences: list[str]) -> list[dict[str, str]]:
    """Rows with every suffix of every sentence."""
    ends = [sentence[start:] for sentence in sentences for start in range(len(sentence))]
    return [{"id": str(i), "side": "positive", "prompt": "", "response": end} for i, end in enumerate(ends)]


def test_a_prompt_is_the_first_few_tokens_of_its_text(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> None:
    by_id = {row["id"]: row["response"] for row in texts(sentences)}
    lengths = set()
    for row in cut_prompts(texts(sentences), tokenizer, SETTINGS):
        text = by_id[row["prompt_id"]]
        assert row["prompt"]
        assert text.startswith(row["prompt"])
        (tokens,) = encode(tokenizer, [text])
        if len(tokens) <= 5 or not text.isascii():
            continue
        starts = {decode(tokenizer, tokens[:length]): length for length in range(1, len(tokens))}
        lengths.add(starts[row["prompt"]])
    assert lengths == {2, 3, 4, 5}


def test_a_short_text_gives_all_but_its_last_token(tokenizer: PreTrainedTokenizerFast) -> None:
    (row,) = cut_prompts([{"id": "short", "side": "positive", "prompt": "", "response": "ab"}], tokenizer, SETTINGS)
    (tokens,) = encode(tokenizer, ["ab"])
    assert row["prompt"] == (decode(tokenizer, tokens[:-1]) if len(tokens) > 1 else "ab")


def test_no_prompt_ends_inside_a_character(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [{"id": str(i), "side": "positive", "prompt": "", "response": "日本語の映画はとても良い"} for i in range(40)]
    prompts = {row["prompt"] for row in cut_prompts(rows, tokenizer, SETTINGS)}
    assert len(prompts) > 1
    assert not [prompt for prompt in prompts if "\ufffd" in prompt]


def test_a_prompt_does_not_depend_on_the_other_texts(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> None:
    rows = texts(sentences)
    prompts = {row["prompt_id"]: row["prompt"] for row in cut_prompts(rows, tokenizer, SETTINGS)}
    for row in cut_prompts(rows[::-7], tokenizer, SETTINGS):
        assert row["prompt"] == prompts[row["prompt_id"]]


def test_a_text_of_ten_megabytes_is_not_encoded_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [{"id": "long", "side": "positive", "prompt": "", "response": "the film is long " * 600_000}]
    started = time.perf_counter()
    (row,) = cut_prompts(rows, tokenizer, SETTINGS)
    assert rows[0]["response"].startswith(row["prompt"])
    assert time.perf_counter() - started < 1


def test_a_prompt_does_not_depend_on_settings_of_decoding(tokenizer: PreTrainedTokenizerFast) -> None:
    tidy = copy.deepcopy(tokenizer)
    tidy.clean_up_tokenization_spaces = True
    rows = [{"id": str(i), "side": "positive", "prompt": "", "response": "a , b . c ! </s> d"} for i in range(20)]
    assert cut_prompts(rows, tidy, SETTINGS) == cut_prompts(rows, tokenizer, SETTINGS)


def test_questions_are_the_prompts_of_their_examples() -> None:
    rows = [{"id": "a", "side": "neutral", "prompt": "Why {x}?\n1. </s>", "response": "So.", "source": ""}]
    assert questions(rows) == [{"prompt_id": "a", "prompt": "Why {x}?\n1. </s>"}]
