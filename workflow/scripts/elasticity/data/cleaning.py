"""Cleaning of examples: normalised text, digests as ids, and removal of duplicates."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, NamedTuple

from elasticity.config.base import Side
from elasticity.core.digests import canonical_json
from elasticity.data.conversations import first_question

OPERATORS = frozenset("-*/%!#")
"""Punctuation that tells numbers and names apart, such as -5 and 5, 3*4 and 3/4, or C# and C."""


PROMPTS_KEPT = 100_000
"""Prompts whose topics are kept in memory: data with several responses to a prompt repeat them."""


ON_BOTH = "both"
"""The side of duplicates whose sides differ."""


AWAY_FROM_NUMBERS = re.compile(r"[-*/%!](?<!\d.)(?!\d)|#(?<!\w.)")
"""Operators in a place where they are punctuation, as in well-known, or begin a word.

The character comes before what is asked of its neighbours, by which the search is four times as fast.
"""


class Raw(NamedTuple):
    """An example as it is written in the data.

    The prompt of a plain text is None; so is the response of a question without one. ``source`` identifies the file.
    """

    prompt: str | None
    response: str | None
    side: Side
    source: str = ""


def clean(examples: Iterable[Raw], spool: IO[bytes]) -> tuple[Iterator[dict[str, str]], dict[str, int]]:
    """Rows of schema ``EXAMPLES``, in the order of their ids, and counts of examples that were read, left out and kept.

    In plain texts, line-break tags become spaces and runs of white space become one space; prompts and responses keep
    their lines. Text that looks like a special token or a placeholder is left as it is. Examples that differ only in
    case, punctuation and white space are duplicates: the one with the smallest id is kept, or none if their sides
    differ. Signs and operators at numbers, symbols (emoji, currencies, + and =) and combining marks are no punctuation.

    The texts wait in the file ``spool``, from which the rows are read as they are iterated, so that memory holds about
    300 bytes of each.
    """
    groups: dict[str, _Group] = {}
    counts = {"read": 0, "empty": 0, "duplicates": 0, "on_both_sides": 0, "kept": 0}
    for raw in examples:
        counts["read"] += 1
        row = _row(raw)
        if row is None:
            counts["empty"] += 1
            continue
        about = _digest([key(row["prompt"]), key(row["response"])])
        group = groups.get(about)
        if group is None:
            groups[about] = group = _Group(row["id"], spool.tell(), row["side"])
        elif row["id"] < group.id:
            group.id, group.place = row["id"], spool.tell()
        group.count += 1
        if row["side"] != group.side:
            group.side = ON_BOTH
        if group.place == spool.tell():  # otherwise another one is kept
            spool.write(json.dumps(row).encode() + b"\n")
    for group in groups.values():
        counts["on_both_sides"] += group.count if group.side == ON_BOTH else 0
        counts["duplicates"] += 0 if group.side == ON_BOTH else group.count - 1
    kept = sorted((group for group in groups.values() if group.side != ON_BOTH), key=lambda group: group.id)
    counts["kept"] = len(kept)
    return _rows([group.place for group in kept], spool), counts


@dataclass(slots=True)
class _Group:
    """Examples that are duplicates of each other: the smallest id, its place in the spool, their side and number."""

    id: str
    place: int
    side: str
    count: int = 0


def _rows(places: Iterable[int], spool: IO[bytes]) -> Iterator[dict[str, str]]:
    """The rows at these places of the spool."""
    for place in places:
        spool.seek(place)
        yield json.loads(spool.readline())


def key(text: str) -> str:
    """The key that duplicates share: the words and symbols in lower case. Of a text without any it is the text."""
    return _words(text) or text


def topic(row: dict[str, str]) -> str:
    """The key that examples with the same prompt share, or whose conversations begin with the same question.

    It is a digest, so that sorting by it is a random order.
    """
    question = first_question(row["prompt"] or row["response"]) or row["prompt"]
    return _topic(question) if question else row["id"]


@lru_cache(maxsize=PROMPTS_KEPT)
def _topic(prompt: str) -> str:
    return _digest(key(prompt))


def _row(raw: Raw) -> dict[str, str] | None:
    """A row of schema ``EXAMPLES``, or None if the prompt, the response or the text is empty."""
    if raw.prompt is None:
        text = " ".join(_normal(re.sub(r"<br\s*/?>", " ", raw.response or "")).split())
        empty, prompt, response = not _words(text), "", text
        identity = hashlib.sha256(text.encode()).hexdigest()[:16]
    else:
        prompt, response = _normal(raw.prompt), _normal(raw.response or "")
        empty = not prompt or (raw.response is not None and not response)
        identity = _digest([prompt, response])
    row = {"id": identity, "side": raw.side, "prompt": prompt, "response": response, "source": raw.source}
    return None if empty else row


def _normal(text: str) -> str:
    """The text in Unicode form NFC, with line feeds as line ends, without white space at its ends."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _words(text: str) -> str:
    """The words, numbers with their signs and operators, and symbols of a text, in lower case."""
    return " ".join(AWAY_FROM_NUMBERS.sub(" ", text.casefold().translate(PUNCTUATION)).split())


class _Punctuation(dict[int, int | str]):
    """A table for ``str.translate``: punctuation and control codes become spaces.

    Letters, digits, marks, symbols and operators stay. It is filled as characters are met.
    """

    def __missing__(self, code: int) -> int | str:
        stays = unicodedata.category(chr(code))[0] in "LNMS" or chr(code) in OPERATORS
        self[code] = code if stays else " "
        return self[code]


PUNCTUATION = _Punctuation()


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]
