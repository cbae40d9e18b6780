"""Held-out texts of the corpora that compression rates are measured on."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from elasticity.compression_settings import Corpus, Reading
from elasticity.records import EXAMPLES, read_rows, text_of


@dataclass(frozen=True)
class HeldOutText:
    """A text, as much of it as is read."""

    corpus: Corpus
    id: str
    text: str

    @property
    def utf8_bytes(self) -> int:
        """The size of the text."""
        return len(self.text.encode())


def held_out_texts(corpora: Iterable[tuple[Corpus, Path]], reading: Reading) -> list[HeldOutText]:
    """The texts of each corpus, whose file has schema ``EXAMPLES``; a prompt and its answer are one text."""
    return [
        HeldOutText(corpus, row["id"], text_of(row)[: reading.characters])
        for corpus, path in corpora
        for row in read_rows(path, EXAMPLES)
    ]
