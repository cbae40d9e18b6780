"""What a score does not see: whether answers are still text. Measures of the tokens that were drawn."""

import math
from collections.abc import Iterable, Sequence

Tokens = Sequence[int]


REPEATED = 3
"""Length of the n-grams whose repetition within an answer is counted."""


AT_ONCE = 2**28
"""Numbers at a model's output in one pass, a gigabyte in single precision."""


MOST_AT_ONCE = 64
"""Answers in one pass."""


def answers_at_once(vocabulary: int, longest: int) -> int:
    """How many answers a pass of the base model reads, if the longest has so many tokens, its prompt included."""
    return max(1, min(MOST_AT_ONCE, AT_ONCE // (vocabulary * longest)))


def ngrams(tokens: Tokens, n: int) -> list[tuple[int, ...]]:
    """The n-grams of an answer in their order; none if it is shorter."""
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def repetition(tokens: Tokens, n: int = REPEATED) -> float:
    """Share of the n-grams of an answer that occurred before in it; NaN if it has none."""
    return 1 - distinct([tokens], n)


def distinct(answers: Iterable[Tokens], n: int) -> float:
    """Different n-grams over all n-grams of these answers together; NaN if they have none.

    Source: Li et al. 2016, distinct-1 and distinct-2. It falls as answers get longer, so compare it at like lengths.
    """
    found = [ngram for tokens in answers for ngram in ngrams(tokens, n)]
    return len(set(found)) / len(found) if found else math.nan


def distinct_answers(answers: Iterable[Tokens]) -> float:
    """Different answers over all answers; NaN if there are none."""
    found = [tuple(tokens) for tokens in answers]
    return len(set(found)) / len(found) if found else math.nan
