import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.evaluation.ngrams import LEAST_WINDOWS, ngram_matrix, ngrams, terms, unit_of, windows

TEXTS = st.lists(st.lists(st.sampled_from("abc"), max_size=12).map(" ".join), min_size=1, max_size=8)


def test_ngrams_are_one_to_three_successive_words_in_lower_case() -> None:
    assert ngrams("Not a bad, BAD film", "word") == {
        *("not", "a", "bad", "film"),
        *("not a", "a bad", "bad bad", "bad film"),
        *("not a bad", "a bad bad", "bad bad film"),
    }


def test_ngrams_of_characters_have_nothing_between_them() -> None:
    assert ngrams("很 好看", "character") == {"很", "好", "看", "很好", "好看", "很好看"}


@pytest.mark.parametrize("text", ["", " . "])
def test_a_text_without_terms_has_no_ngrams(text: str) -> None:
    assert ngrams(text, "word") == set()


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("A film about words, and about their spaces.", "word"),
        ("ภาพยนตร์เรื่องนี้ดีมาก แต่ยาวไปหน่อยสำหรับผม", "character"),
        ("这部电影很精彩, 我很喜欢。演员也很好，值得一看。", "character"),
        ("", "word"),
    ],
)
def test_terms_are_words_where_text_has_spaces(text: str, unit: str) -> None:
    assert unit_of([text]) == unit


@given(TEXTS, st.integers(1, 5))
def test_windows_are_successive_parts_of_texts(texts: list[str], length: int) -> None:
    found = windows(texts, "word", length)
    expected = []
    for place, text in enumerate(texts):
        words = text.split()
        parts = [words[i : i + length] for i in range(0, len(words) - length + 1, length)] or [words]
        expected += [(place, " ".join(part)) for part in parts]
    assert list(zip(found.text.tolist(), found.texts(), strict=True)) == expected


@given(TEXTS, st.integers(1, 5))
def test_the_matrix_holds_the_ngrams_of_each_window(texts: list[str], length: int) -> None:
    found = windows(texts, "word", length)
    names, matrix = ngram_matrix(found)
    sets = [ngrams(text, "word") for text in found.texts()]
    frequent = {name for those in sets for name in those if sum(name in it for it in sets) >= LEAST_WINDOWS}
    assert len(names) == len(set(names))
    assert set(names) == frequent
    expected = np.array([[name in those for name in names] for those in sets]).reshape(len(sets), len(names))
    assert np.array_equal(matrix.toarray(), expected.astype(float))


def test_an_ngram_does_not_reach_into_the_next_window() -> None:
    names, _ = ngram_matrix(windows(["a b c d"] * 2, "word", 2))
    assert sorted(names) == ["a", "a b", "b", "c", "c d", "d"]


def test_case_and_punctuation_are_dropped() -> None:
    assert terms("Don't WATCH it!", "word") == ["don", "t", "watch", "it"]
