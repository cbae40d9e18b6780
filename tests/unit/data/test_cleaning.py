import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.data.cleaning import Raw, key, topic
from tests.unit.cleaned import clean

WORDS = st.sampled_from(["a b", "A  b!", "a<br />b", "c", "", "…", "c\n\nd", "{c}", "</s>"])
TEXT = WORDS | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SIDE = st.sampled_from(["positive", "negative"])
TEXTS = st.builds(Raw, st.none(), TEXT, SIDE, st.just("here"))
DIALOGUES = st.builds(Raw, TEXT, st.none() | TEXT, SIDE, st.just("here"))
RAWS = st.lists(TEXTS | DIALOGUES)


def text(content: str, side: Any = "positive") -> Raw:
    return Raw(None, content, side)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("one<br /><br />two<br>three", "one two three"),
        ("  much \t space\n", "much space"),
        ("cafe\u0301", "caf\u00e9"),
        ("Punctuation, Case!", "Punctuation, Case!"),
        ("</s> {0} <|im_end|> %s ${HOME}", "</s> {0} <|im_end|> %s ${HOME}"),
    ],
)
def test_texts_are_normalised(raw: str, cleaned: str) -> None:
    rows, _ = clean([text(raw)])
    assert [(row["prompt"], row["response"]) for row in rows] == [("", cleaned)]


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("\n1. Oak\r\n2. Ash\r\n\r\n  3. Elm\r4. Fir \n", "1. Oak\n2. Ash\n\n  3. Elm\n4. Fir"),
        ("<p>one<br />two</p>", "<p>one<br />two</p>"),
        ("</s> {0} <|im_end|> %s ${HOME}", "</s> {0} <|im_end|> %s ${HOME}"),
        ("+", "+"),
    ],
)
def test_prompts_and_responses_keep_their_lines(raw: str, cleaned: str) -> None:
    rows, _ = clean([Raw(raw, raw, "neutral", "here")])
    assert [(row["prompt"], row["response"], row["source"]) for row in rows] == [(cleaned, cleaned, "here")]


def test_texts_equal_but_for_case_punctuation_and_space_are_duplicates() -> None:
    rows, counts = clean([text("A film."), text("a  FILM"), text("another")])
    assert len(rows) == 2
    assert counts == {"read": 3, "empty": 0, "duplicates": 1, "on_both_sides": 0, "kept": 2}


def test_texts_on_both_sides_are_left_out() -> None:
    rows, counts = clean([text("A film."), text("a film", "negative"), text("", "negative"), text("other", "negative")])
    assert [row["response"] for row in rows] == ["other"]
    assert counts == {"read": 4, "empty": 1, "duplicates": 0, "on_both_sides": 2, "kept": 1}


def test_the_same_response_to_another_prompt_is_not_a_duplicate() -> None:
    rows, counts = clean([Raw("Why?", "No.", "positive"), Raw("How?", "No.", "negative"), Raw("why", "no", "positive")])
    assert sorted((row["prompt"].lower().strip("?"), row["side"]) for row in rows) == [
        ("how", "negative"),
        ("why", "positive"),
    ]
    assert counts["duplicates"] == 1


def test_empty_prompts_and_responses_are_counted_and_left_out_but_questions_have_no_response() -> None:
    raws = [Raw("", "a", "neutral"), Raw("a", " \n", "neutral"), Raw("a", None, "neutral"), Raw("", None, "neutral")]
    rows, counts = clean(raws)
    assert [(row["prompt"], row["response"]) for row in rows] == [("a", "")]
    assert (counts["empty"], counts["kept"]) == (3, 1)


def test_a_topic_is_the_prompt_without_case_and_punctuation_or_the_text() -> None:
    rows, _ = clean([Raw("Why?", "a", "positive"), Raw("why", "b", "negative"), Raw("+", "c", "positive"), text("why")])
    by_response = {row["response"]: topic(row) for row in rows}
    assert by_response["a"] == by_response["b"]
    assert len(set(by_response.values())) == 3
    assert by_response["why"] in {row["id"] for row in rows}


def test_where_a_prompt_ends_matters() -> None:
    rows, _ = clean([Raw("a", "b c", "neutral"), Raw("a b", "c", "neutral"), text("a b c")])
    assert len({row["id"] for row in rows}) == 3


def test_rows_of_ten_megabytes_are_cleaned_in_linear_time() -> None:
    parts = ["<br" + " " * 2_000_000, "<br <br <br " * 200_000, "x" * 2_000_000, "," * 2_000_000]
    started = time.perf_counter()
    _, counts = clean([*map(text, parts), Raw("Go on?", "word " * 2_000_000, "neutral")])
    assert (counts["kept"], counts["empty"]) == (4, 1)
    assert time.perf_counter() - started < 20


@given(RAWS, st.randoms(use_true_random=False))
def test_the_order_of_the_examples_does_not_matter(raws: list[Raw], random: Any) -> None:
    mixed = raws.copy()
    random.shuffle(mixed)
    assert clean(mixed) == clean(raws)


@given(st.lists(TEXTS) | st.lists(DIALOGUES))
def test_cleaned_examples_are_clean(raws: list[Raw]) -> None:
    rows, counts = clean(raws)
    prompted, has_responses = any(row["prompt"] for row in rows), {row["id"] for row in rows if row["response"]}
    again = [
        Raw(
            row["prompt"] if prompted else None,
            row["response"] if row["id"] in has_responses else None,
            row["side"],
            "here",
        )
        for row in rows
    ]
    assert clean(again)[0] == rows
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})
    assert counts["read"] == sum(counts[part] for part in ("empty", "duplicates", "on_both_sides", "kept"))


# What tells texts apart


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-5", "5"),
        ("3*4", "3/4"),
        ("x < y", "x > y"),
        ("5%", "5"),
        ("5!", "5"),
        ("C#", "C"),
        ("C++", "C"),
        ("fine \N{GRINNING FACE}", "fine \N{POUTING FACE}"),
        ("\N{EURO SIGN}5", "$5"),
        (
            "\u0932\u0921\u093c\u0915\u093e",
            "\u0932\u0921\u093c\u0915\u0940",
        ),  # boy and girl in Hindi: their vowel signs differ
        ("\u5f88\u5dee", "\u5f88\u597d"),
    ],
)
def test_signs_symbols_and_marks_tell_texts_apart(one: str, other: str) -> None:
    assert key(one) != key(other)
    rows, counts = clean([Raw("How much?", one, "positive"), Raw("How much?", other, "negative")])
    assert (len(rows), counts["kept"]) == (2, 2)


@pytest.mark.parametrize(
    ("one", "other"), [("A well-known film!", "a well known film"), ("#film", "film"), ("Yes - no", "yes; no")]
)
def test_punctuation_does_not(one: str, other: str) -> None:
    assert key(one) == key(other)
