"""Plain text cut into passages, piece by piece: a text of any length is never in memory as a whole."""

from collections.abc import Iterator
from typing import IO

BLOCK = 1 << 16
"""Characters that are read at once; the passages do not depend on it."""

ENDS = ("\n\n", "\n", " ")
"""Of paragraphs, lines and words: where a passage ends, best first."""


def passages(stream: IO[str], longest: int) -> Iterator[str]:
    """Passages of at most ``longest`` characters that joined are the text.

    Each ends with the last paragraph that ends in the second half of what it could hold; else with the last line, else
    with the last word, else it is as long as it may be.
    """
    text = ""
    while block := stream.read(BLOCK):
        text += block
        start = 0
        while len(text) - start > longest:
            end = _end(text, start, longest)
            yield text[start:end]
            start = end
        text = text[start:]
    if text:
        yield text


def _end(text: str, start: int, longest: int) -> int:
    for end in ENDS:
        place = text.rfind(end, start + longest // 2, start + longest)
        if place >= 0:
            return place + len(end)
    return start + longest
