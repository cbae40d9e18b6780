"""N-grams of texts: their terms, windows of equal length, and the matrix of the n-grams in each window.

A term is a word, or a character in text that is written without spaces. An n-gram is written as its terms with spaces
between words and nothing between characters.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]

Unit = Literal["word", "character"]

LONGEST = 3
"""The largest number of terms in an n-gram."""

SPACED = 0.05
"""Least share of whitespace in text with spaces between words: English has .17 to .19, Chinese below .03."""

LEAST_WINDOWS = 2
"""N-grams that are in fewer windows than this are left out."""

TERM = {"word": re.compile(r"\w+"), "character": re.compile(r"\S")}
BETWEEN = {"word": " ", "character": ""}


def unit_of(texts: Iterable[str]) -> Unit:
    """Return what the terms of these texts are: words if at least the share ``SPACED`` of characters is whitespace."""
    characters = spaces = 0
    for text in texts:
        characters += len(text)
        spaces += sum(map(str.isspace, text))
    return "word" if spaces >= SPACED * characters else "character"


def terms(text: str, unit: Unit) -> list[str]:
    """Return the terms of a text in lower case: words, or characters other than whitespace."""
    return TERM[unit].findall(text.lower())


def ngrams(text: str, unit: Unit) -> set[str]:
    """Return the different n-grams of a text, of 1 to ``LONGEST`` terms."""
    found = terms(text, unit)
    return {BETWEEN[unit].join(found[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(found) - n + 1)}


@dataclass(frozen=True)
class Windows:
    """The terms of the windows of several texts, one window after another.

    ``terms`` numbers the terms of ``vocabulary``, and ``window`` holds the number of each term's window, both of shape
    (terms,). ``text`` holds the place of each window's text in the order of the texts, shape (windows,).
    """

    unit: Unit
    vocabulary: list[str]
    terms: Ints
    window: Ints
    text: Ints

    def texts(self) -> list[str]:
        """Return the text of each window: its terms, joined."""
        named = [self.vocabulary[term] for term in self.terms]
        ends = np.cumsum(np.bincount(self.window, minlength=len(self.text))).tolist()
        return [BETWEEN[self.unit].join(named[i:j]) for i, j in pairwise([0, *ends])]


def windows(texts: Sequence[str], unit: Unit, length: int) -> Windows:
    """Cut texts into successive windows of ``length`` terms without overlap.

    What is left at the end of a text is dropped; a text of fewer terms is one window.
    """
    number: dict[str, int] = {}
    tokens, counts = [], []
    for text in texts:
        found = terms(text, unit)
        kept = found[: max(1, len(found) // length) * length]
        tokens.append(np.array([number.setdefault(term, len(number)) for term in kept], dtype=np.int64))
        counts.append(max(1, len(found) // length))
    starts = np.cumsum([0, *counts[:-1]])
    window = [start + np.arange(len(those)) // length for start, those in zip(starts, tokens, strict=True)]
    return Windows(
        unit, list(number), np.concatenate(tokens), np.concatenate(window), np.repeat(np.arange(len(counts)), counts)
    )


def ngram_matrix(found: Windows) -> tuple[list[str], Any]:
    """Return the n-grams that are in at least ``LEAST_WINDOWS`` windows, and which windows they are in.

    The second result is a sparse matrix of zeros and ones, shape (windows, n-grams). An n-gram cannot be in more
    windows than its first n - 1 terms, so it is looked for only where these were kept.
    """
    from scipy import sparse

    names: list[str] = []
    places: list[tuple[Ints, Ints]] = []
    position = np.arange(len(found.terms))
    prefix, prefixes = np.zeros_like(position), [""]
    for n in range(1, LONGEST + 1):
        last = position + n - 1
        inside = last < len(found.terms)
        position, prefix, last = position[inside], prefix[inside], last[inside]
        inside = found.window[position] == found.window[last]
        position, prefix, last = position[inside], prefix[inside], last[inside]
        keys, gram = np.unique(prefix * len(found.vocabulary) + found.terms[last], return_inverse=True)
        pairs = np.unique(found.window[position] * len(keys) + gram)
        window, column = np.divmod(pairs, len(keys)) if len(keys) else (pairs, pairs)
        kept = np.bincount(column, minlength=len(keys)) >= LEAST_WINDOWS
        renumbered = np.cumsum(kept) - 1
        places.append((window[kept[column]], len(names) + renumbered[column[kept[column]]]))
        between = BETWEEN[found.unit] if n > 1 else ""
        prefixes = [
            prefixes[key // len(found.vocabulary)] + between + found.vocabulary[key % len(found.vocabulary)]
            for key in keys[kept].tolist()
        ]
        names += prefixes
        position, prefix = position[kept[gram]], renumbered[gram[kept[gram]]]
    rows, columns = (np.concatenate(part) for part in zip(*places, strict=True))
    ones = np.ones(len(rows))
    return names, sparse.csr_matrix((ones, (rows, columns)), shape=(len(found.text), len(names)))
