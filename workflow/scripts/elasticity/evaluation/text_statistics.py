"""Statistics of drawn tokens that show whether responses are still text, which a score does not."""

import math
from collections.abc import Iterable, Sequence

Tokens = Sequence[int]


REPEATED = 3
"""Length of the n-grams whose repetition within a response is counted."""


AT_ONCE = 2**28
"""Most logits of one pass: a gigabyte in single precision."""


MOST_AT_ONCE = 64
"""Most responses of one pass."""


def responses_at_once(vocabulary: int, longest: int) -> int:
    """Return how many responses one pass reads if the longest has ``longest`` tokens, its prompt included."""
    return max(1, min(MOST_AT_ONCE, AT_ONCE // (vocabulary * longest)))


def ngrams(tokens: Tokens, n: int) -> list[tuple[int, ...]]:
    """Return the n-grams of a response in their order; none if it is shorter than n."""
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def repetition(tokens: Tokens, n: int = REPEATED) -> float:
    """Return the share of the n-grams of a response that occurred before in it; NaN if it has none."""
    return 1 - distinct([tokens], n)


def distinct(responses: Iterable[Tokens], n: int) -> float:
    """Return the number of different n-grams divided by that of all n-grams of the responses; NaN if there are none.

    Source: Li et al. 2016, distinct-1 and distinct-2. It falls with the length of responses, so compare similar
    lengths.
    """
    found = [ngram for tokens in responses for ngram in ngrams(tokens, n)]
    return len(set(found)) / len(found) if found else math.nan


def distinct_responses(responses: Iterable[Tokens]) -> float:
    """Return the number of different responses divided by that of all responses; NaN if there are none."""
    found = [tuple(tokens) for tokens in responses]
    return len(set(found)) / len(found) if found else math.nan
