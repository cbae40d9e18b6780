"""What a score does not see: whether responses are still text. Measures of the tokens that were drawn."""

import math
from collections.abc import Iterable, Sequence

Tokens = Sequence[int]


REPEATED = 3
"""Length of the n-grams whose repetition within a response is counted."""


AT_ONCE = 2**28
"""Numbers at a model's output in one pass, a gigabyte in single precision."""


MOST_AT_ONCE = 64
"""Responses in one pass."""


def responses_at_once(vocabulary: int, longest: int) -> int:
    """How many responses a pass of the base model reads, if the longest has so many tokens, its prompt included."""
    return max(1, min(MOST_AT_ONCE, AT_ONCE // (vocabulary * longest)))


def ngrams(tokens: Tokens, n: int) -> list[tuple[int, ...]]:
    """The n-grams of a response in their order; none if it is shorter."""
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def repetition(tokens: Tokens, n: int = REPEATED) -> float:
    """Share of the n-grams of a response that occurred before in it; NaN if it has none."""
    return 1 - distinct([tokens], n)


def distinct(responses: Iterable[Tokens], n: int) -> float:
    """Different n-grams over all n-grams of these responses together; NaN if they have none.

    Source: Li et al. 2016, distinct-1 and distinct-2. It falls as responses get longer, so compare it at like lengths.
    """
    found = [ngram for tokens in responses for ngram in ngrams(tokens, n)]
    return len(set(found)) / len(found) if found else math.nan


def distinct_responses(responses: Iterable[Tokens]) -> float:
    """Different responses over all responses; NaN if there are none."""
    found = [tuple(tokens) for tokens in responses]
    return len(set(found)) / len(found) if found else math.nan
